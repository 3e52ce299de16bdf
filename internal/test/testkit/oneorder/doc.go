// Package oneorder checks recorded histories a second time, by nothing but what clients saw: the database isn't asked, and no code of
// package history's checks is shared, so that a fault of one check has to be made twice to hide a fault of the product.
//
// A room's log is linearizable: there is one order of its entries in which everything acknowledged stands between its sending and its
// acknowledgement, and what every client was shown is a gapless part of that order (checked by porcupine, which searches for the order).
package oneorder
