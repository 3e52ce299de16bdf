// Package limits measures the rates that RabbitMQ and MySQL reach on the product's path with no product code in between.
//
// It owns queues and a schema under names of its own, which it creates and drops. The product's rates are read as a share of
// its figures.
package limits
