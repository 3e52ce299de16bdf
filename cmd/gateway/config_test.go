package main

import (
	"strings"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/config/configtest"
)

func TestConfig(t *testing.T) {
	configtest.Process[Config, Limits]{
		File: "../../configs/gateway.yaml", Defaults: defaults, Limits: func(c Config) Limits { return c.Limits },
		Reads: chat.LimitKeys(chat.ByGateway), All: chat.LimitKeys(chat.ByGateway | chat.ByWorker | chat.ByAPI),
		Zero: map[string]string{"gateway.max_sockets": "0: no limit", "gateway.sockets_per_second": "0: no limit"},
	}.Check(t)
}

func TestReleaseRefusesSocketsFromEverywhere(t *testing.T) {
	cfg := defaults()
	env := []string{
		"CHAT_SERVER_MODE=release", "CHAT_GATEWAY_ORIGINS=*", "CHAT_JWT_SECRET=Zk3vQ9xT1mB7rY5wL8nC2dF6gH4jK0pS",
		"CHAT_RABBITMQ_URL=amqp://chat:Zk3vQ9xT1mB7@localhost/",
	}
	err := config.Load("", &cfg, config.Environ(env))
	if err == nil || !strings.Contains(err.Error(), "gateway.origins") {
		t.Errorf("origins * in release: got %v", err)
	}
}

func TestIdentityIsFitForAQueueName(t *testing.T) {
	cfg := defaults()
	cfg.Gateway.ID = "gate.way/1 é"
	name, boot, err := cfg.identity()
	if err != nil {
		t.Fatal(err)
	}
	if name != "gate-way-1--" || boot == "" {
		t.Errorf("identity is %q, %q", name, boot)
	}
	if _, again, _ := cfg.identity(); again == boot {
		t.Error("two boots have the same name")
	}
}
