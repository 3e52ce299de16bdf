// Package names judges what users are called: usernames, nicknames and addresses of pictures, and the one form in which names are
// stored, compared and searched for.
package names
