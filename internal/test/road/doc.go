// Package road keeps the road of a message readable.
//
// ARCHITECTURE.md narrates the road: below the heading of each of the thirteen stops a block names the functions of that stop,
// file by file, in the order in which one reads them. The tests compare the narrative with the code:
//
//   - every function that it names is in the file that it names, and is named once (needs no server);
//   - the road is short: at most maxFiles files, maxLines lines of functions, maxReturns returns to a file left before;
//   - the functions named are those that gateway and worker execute for an acknowledged message, no more and no fewer (build
//     tag e2e: measured with coverage builds on real servers).
//
// `make road` prints the narrative as a table, and lists what is executed and not named yet.
package road
