package main

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/config/configtest"
)

func TestConfig(t *testing.T) {
	configtest.Process[Config, Limits]{
		File: "../../configs/worker.yaml", Defaults: defaults, Limits: func(c Config) Limits { return c.Limits },
		Reads: chat.LimitKeys(chat.ByWorker), All: chat.LimitKeys(chat.ByGateway | chat.ByWorker | chat.ByAPI),
		Zero: map[string]string{"worker.offline_grace": ""},
	}.Check(t)
}
