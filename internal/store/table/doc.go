// Package table reads rows straight into the nouns of package chat.
//
// It owns the lists of columns, each beside the fields that they go to, in the same order; it refuses to know which rows
// are meant. NULL becomes the zero value, as the nouns have it. It is for the lists that are read most: gorm's way, through
// reflection, costs several times what it takes the server to find the rows.
package table
