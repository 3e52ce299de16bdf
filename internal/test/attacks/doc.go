// Package attacks tries on real processes what somebody with bad intentions would try. Each attack has the id of a row of the
// project's research on security (WS sockets, J tokens, R refresh tokens, P passwords, A authorisation, Q parsing, H HTTP,
// E exposure, B backing services) or of the faults that were found by trying (G), and says what must be answered.
//
// The table in table_test.go lists them all; a row without a test fails, and so does a test without a row. After each attack the
// same processes go on, a neighbour's chat works, nothing is half-made and no command was set aside. Where the protocol answers
// otherwise than the research asked for, the protocol stands, and the row says so.
//
// The matrix (matrix_test.go) says for every REST route, every frame from the client and every role what is answered, in each kind
// of room; a route or frame without its row fails.
package attacks
