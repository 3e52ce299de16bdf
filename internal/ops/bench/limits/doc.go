// Package limits measures what RabbitMQ and MySQL can do at all on the product's path, with no product code in between.
//
// It owns queues and a schema of its own names, makes them anew and drops them. Its figures are what the product's rates are
// read as a share of.
package limits
