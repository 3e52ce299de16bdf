package main

import (
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/changes"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/operator"
	"chat-service/internal/store/rooms"
)

type (
	accountStore  = accounts.Store
	changeStore   = changes.Store
	messageStore  = messages.Store
	operatorStore = operator.Store
	roomStore     = rooms.Store
)

// The worker's ports follow its parts, the stores follow the nouns: each of these hands the verbs of several stores to one part.
type (
	// lineLog is what the lines commit to and read from.
	lineLog struct {
		*messageStore
		*accountStore
		*operatorStore
	}
	// laneLog is what the lanes read.
	laneLog struct {
		*roomStore
		*messageStore
		*accountStore
	}
	// historyLog is what clients catch up from.
	historyLog struct {
		*messageStore
		*changeStore
	}
	// fleetLog is what the jobs of the fleet need.
	fleetLog struct {
		*operatorStore
		*roomStore
	}
	// socketLog is what sockets that open are answered from.
	socketLog struct {
		*accountStore
		*roomStore
	}
)
