// Package nodes decides which node of a RabbitMQ cluster a connection goes to, and when it leaves it for another. It dials nothing: it
// judges by what the connections report. With one address there is nothing to decide, and nothing is ever left.
package nodes
