// Package grants makes the users by which an installation's processes reach MySQL, RabbitMQ and Redis: one for each process and server,
// with the fewest rights that the process needs. What those are stands with the adapters (store/operator, broker, state), beside the code
// that needs them; this package names the users, keeps their passwords, and prints or applies it all.
//
// Passwords stand in files, one for each user. They are made where they are missing, and printed nowhere.
package grants
