// Package conformance tests that the service keeps to what it and its contracts say, from outside and with the real programs: WebSocket
// cases through every way in (the gateway, the front door of a local run, and nginx and HAProxy with the files of deployments), HTTP
// requests whose end isn't certain, and REST requests made from the OpenAPI document, whose answers are checked against it.
//
// All of it is in its tests, with the tag e2e.
package conformance
