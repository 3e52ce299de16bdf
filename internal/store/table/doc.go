// Package table says once what each table's columns are and where they go.
//
// A column is one line: its name beside the field of the noun that holds it. The lists of a SELECT and of an INSERT,
// the targets of a scan and the arguments of a write all follow from these lines, so that adding a column is one line
// here and one migration. The integration test compares them with the schema of a real server; a column that stands in
// neither list fails.
//
// Cells convert on the way: NULL is the zero value (the zero time, the empty text if the column may be NULL), and back.
// Rows are scanned straight into the nouns of package chat; the hot path can't afford the reflection by which gorm
// would fill a model. For everything else a Table is the model: Find and Create take any gorm query.
//
// The package refuses to know which rows are meant: that is the stores' SQL.
package table
