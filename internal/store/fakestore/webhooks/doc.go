// Package webhooks is the fake of store/webhooks, over the fake of the other stores: it keeps the same rules, in memory.
package webhooks
