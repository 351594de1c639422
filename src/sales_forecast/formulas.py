"""Text that a spreadsheet would calculate when it opens a CSV file."""

FORMULA = "^\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]"
"""Regular expression, for Python and for Arrow, of text that needs an apostrophe in front."""
