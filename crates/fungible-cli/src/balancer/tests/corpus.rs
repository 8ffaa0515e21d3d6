//! Odd framings, as raw bytes: what one program may read as one request and another as two. In targets `@` stands for
//! the entry's own path. A request for `/@/smuggled` is one that hides in another's body or head.

/// A name and what the client sends on one connection.
pub(super) type Entry = (&'static str, &'static [u8]);

/// A hidden request of 40 bytes, for bodies.
macro_rules! hidden {
    () => {
        "GET /@/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    };
}

macro_rules! entry {
    ($name:literal, $($bytes:expr),+) => {
        ($name, concat!($($bytes),+).as_bytes())
    };
}

/// The entries; a number of bytes in a Content-Length counts `@` as what it will be, four bytes.
#[rustfmt::skip]
pub(super) const CORPUS: &[Entry] = &[
    // What must simply work.
    entry!("a GET", "GET /@ HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a POST with a length", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    entry!("a POST with chunks", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    entry!("two pipelined GETs", "GET /@/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /@/2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a pipelined POST and GET", "POST /@/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /@/2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a pipelined chunked POST and GET", "POST /@/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /@/2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a request in a body with a length", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n", hidden!()),
    entry!("a request in a chunk", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n", hidden!(), "\r\n0\r\n\r\n"),
    entry!("a GET with a length", "GET /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n", hidden!()),
    entry!("a GET with chunks", "GET /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n", hidden!(), "\r\n0\r\n\r\n"),
    entry!("a DELETE with chunks", "DELETE /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    entry!("a HEAD with a length", "HEAD /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n", hidden!()),
    entry!("a POST without length", "POST /@ HTTP/1.1\r\nHost: a\r\n\r\n", hidden!()),
    entry!("empty lines before the request", "\r\n\r\nGET /@ HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Both lengths.
    entry!("CL then TE", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE then CL", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 45\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("CL 0 and TE", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n", hidden!(), "\r\n0\r\n\r\n"),
    entry!("CL, TE, CL", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n", hidden!()),
    // Odd Transfer-Encodings.
    entry!("TE xchunked", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE chunked, identity", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE identity", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE identity, chunked", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE gzip, chunked", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE chunked, chunked", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("two TE lines", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("two TE lines, chunked last", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE in capitals", "POST /@ HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    entry!("TE with a comma", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE with a parameter", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE quoted", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE with a tab before", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE with a vertical tab", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE with a space after the name", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE with a space before the name", "POST /@ HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE with an underscore", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE folded", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE empty", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE hidden by a bare CR", "POST /@ HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", hidden!()),
    entry!("TE named by Connection", "POST /@ HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n", hidden!(), "\r\n0\r\n\r\n"),
    entry!("CL named by Connection", "POST /@ HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 40\r\n\r\n", hidden!()),
    entry!("TE in HTTP/1.0", "POST /@ HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hidden!()),
    // Odd lengths.
    entry!("two equal CLs", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    entry!("two CLs", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n", hidden!()),
    entry!("two CLs, the other way", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nContent-Length: 0\r\n\r\n", hidden!()),
    entry!("a list of CLs", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    entry!("CL with a plus", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: +40\r\n\r\n", hidden!()),
    entry!("CL with a minus", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", hidden!()),
    entry!("CL in hex", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 0x28\r\n\r\n", hidden!()),
    entry!("CL with leading zeros", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 0040\r\n\r\n", hidden!()),
    entry!("CL with an underscore inside", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 4_0\r\n\r\n", hidden!()),
    entry!("CL with a space inside", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 4 0\r\n\r\n", hidden!()),
    entry!("CL with spaces around", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length:   40  \r\n\r\n", hidden!()),
    entry!("CL with a fraction", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"),
    entry!("CL empty", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", hidden!()),
    entry!("CL too large for 64 bits", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551656\r\n\r\n", hidden!()),
    entry!("CL with an underscore name", "POST /@ HTTP/1.1\r\nHost: a\r\nContent_Length: 40\r\n\r\n", hidden!()),
    entry!("CL with a space after the name", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length : 40\r\n\r\n", hidden!()),
    entry!("CL folded", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n 0\r\n\r\n", hidden!()),
    ("CL in Arabic digits", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: ٤\r\n\r\nhello".as_bytes()),
    entry!("CL shorter than the body", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", hidden!()),
    entry!("CL longer than the body", "POST /@ HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n", hidden!()),
    // Odd chunks.
    entry!("a chunk extension", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk extension with a bare LF", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n28\r\n0\r\n\r\n", hidden!(), "0\r\n\r\n"),
    entry!("a quoted chunk extension", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"\r\n\"\r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk size with spaces", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk size with a space before", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk size in 0x", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", hidden!()),
    entry!("a chunk size with a plus", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n"),
    entry!("a negative chunk size", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk size with an underscore", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0_2\r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk size too large", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n", hidden!()),
    entry!("an empty chunk size", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n"),
    entry!("a chunk that ends with a bare LF", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n", hidden!()),
    entry!("a chunk without its end", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiXX0\r\n\r\n", hidden!()),
    entry!("a chunk longer than its size", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n", hidden!()),
    entry!("many zeros as the last chunk", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0000\r\n\r\n"),
    entry!("trailers", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Trailer: 1\r\n\r\n"),
    entry!("a length in the trailers", "POST /@ HTTP/1.1\r\nHost: a\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nContent-Length: 40\r\n\r\n", hidden!()),
    entry!("no end of the chunks", "POST /@ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"),
    // Odd heads.
    entry!("bare LFs", "GET /@ HTTP/1.1\nHost: a\n\n"),
    entry!("bare LFs around a request", "GET /@ HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /@/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a bare CR as the end of a line", "GET /@ HTTP/1.1\rHost: a\r\r"),
    entry!("a header with a NUL", "GET /@ HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    entry!("a NUL in the target", "GET /@/\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a folded header", "GET /@ HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    entry!("a first header that is folded", "GET /@ HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
    entry!("a line of spaces in the head", "GET /@ HTTP/1.1\r\nHost: a\r\n \r\nGET /@/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a header without a colon", "GET /@ HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
    entry!("a header without a name", "GET /@ HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
    entry!("a space before the colon", "GET /@ HTTP/1.1\r\nHost : a\r\n\r\n"),
    entry!("a space in a name", "GET /@ HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"),
    entry!("two Hosts", "GET /@ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    entry!("no Host", "GET /@ HTTP/1.1\r\n\r\n"),
    entry!("an absolute target", "GET http://a/@ HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("an absolute target of another host", "GET http://b/@ HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a target with a space", "GET /@ x HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a target with a request", "GET /@%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0aGET%20/@/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("several spaces in the request line", "GET  /@  HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("tabs in the request line", "GET\t/@\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("a lower-case method", "get /@ HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", hidden!()),
    entry!("HTTP/0.9", "GET /@\r\n"),
    entry!("HTTP/1.0", "GET /@ HTTP/1.0\r\n\r\n"),
    entry!("HTTP/1.0 that is kept", "GET /@/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /@/2 HTTP/1.0\r\n\r\n"),
    entry!("HTTP/1.2", "GET /@ HTTP/1.2\r\nHost: a\r\n\r\n"),
    entry!("HTTP/2.0", "GET /@ HTTP/2.0\r\nHost: a\r\n\r\n"),
    entry!("HTTP/11", "GET /@ HTTP/11\r\nHost: a\r\n\r\n"),
    entry!("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", hidden!()),
    entry!("an upgrade to HTTP/2", "GET /@ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", hidden!()),
    entry!("an upgrade that is refused", "GET /@ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /@/2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    entry!("Expect", "POST /@ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"),
    entry!("an unknown Expect", "POST /@ HTTP/1.1\r\nHost: a\r\nExpect: nonsense\r\nContent-Length: 2\r\n\r\nhi"),
    entry!("two Expects", "POST /@ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 2\r\n\r\nhi"),
    entry!("a request after Connection: close", "GET /@ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", hidden!()),
    entry!("a request id of the client's in a hidden request", "POST /@ HTTP/1.1\r\nHost: a\r\nX-Request-Id: outer@\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /@/smuggled HTTP/1.1\r\nHost: a\r\nX-Request-Id: evil\r\n\r\n"),
    ("a byte above 127 in a header", b"GET /@ HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n"),
    ("a byte above 127 in the target", b"GET /@/\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a TLS greeting", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
];
