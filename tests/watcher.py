"""What a Python does as its ``sitecustomize``: note in a file whom it asks beyond its own machine."""

WATCHER = """
import os, socket

with open(os.environ["NETWORK_LOG"], "a") as log:
    log.write("watching\\n")

def watched(host):
    if host not in (None, "localhost", "127.0.0.1", "::1"):
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{host}\\n")

look_up, connect = socket.getaddrinfo, socket.socket.connect

def getaddrinfo(host, *args, **kwargs):
    watched(host)
    return look_up(host, *args, **kwargs)

def connect_to(self, address):
    if isinstance(address, tuple):
        watched(address[0])
    return connect(self, address)

socket.getaddrinfo, socket.socket.connect = getaddrinfo, connect_to
"""
