package protocol

import "bytes"

// Framed reports whether it is beyond doubt where a request's body ends (RFC 9112, 6.3), by the lines of its headers and whether it is
// HTTP/1.1. The HTTP server of api and gateway takes "identity" for no body, believes one of two contradicting headers and folds lines;
// behind a proxy that reads them otherwise, what follows would run as a request that the proxy never saw.
func Framed(headers []byte, http11 bool) bool {
	encodings, lengths, chunked := 0, 0, 0
	for line := range bytes.Lines(headers) {
		if line[0] == ' ' || line[0] == '\t' {
			return false
		}
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch key = bytes.TrimSpace(key); {
		case bytes.EqualFold(key, []byte("Transfer-Encoding")):
			encodings++
			if bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked")) {
				chunked++
			}
		case bytes.EqualFold(key, []byte("Content-Length")):
			lengths++
		}
	}
	return encodings == 0 && lengths <= 1 || encodings == 1 && chunked == 1 && lengths == 0 && http11
}
