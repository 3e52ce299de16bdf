// Package browser runs the tests of the page and of its client library: web/*.test.mjs in Node.js, and web/test/*.test.mjs
// in a real Chromium that looks at a fleet of real processes through the front door.
//
// It brings what they need by itself: the packages of web/test/package-lock.json by npm, and the machine's Chromium or,
// where there is none, Debian's packages of it, unpacked privately. Node.js and npm must be on the PATH. What is missing
// fails the tests; nothing is skipped.
package browser
