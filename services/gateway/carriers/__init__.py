"""One media dialect a file. Pure: text in, facts out; orders in, text out."""
