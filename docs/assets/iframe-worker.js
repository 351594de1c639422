// The search runs in a worker, which browsers do not start for a page that was opened as a file.
// There, a hidden frame does the worker's part.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      window.addEventListener("message", (event) => {
        if (event.source === this.inside) {
          this.dispatchEvent(new MessageEvent("message", { data: event.data }));
        }
      });
      this.loaded = new Promise((done) => {
        this.inside.document.open();
        this.inside.frameLoaded = done;
        this.inside.document.write(
          `<script>postMessage = (data) => parent.postMessage(data, "*")</scr` +
            `ipt><script src="${address}"></scr` +
            `ipt><script>frameLoaded()</scr` +
            `ipt>`,
        );
        this.inside.document.close();
      });
    }

    postMessage(data) {
      this.loaded.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
