package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chat-service/internal/chat"
	"chat-service/internal/config"
)

func TestConfigFileHoldsEveryKeyWithItsDefault(t *testing.T) {
	const path = "../../configs/gateway.yaml"
	got, want := Config{}, defaults()
	if err := config.Load(path, &got, config.Environ(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.JWT.Secret.Reveal()+want.RabbitMQ.URL.Reveal(), got.JWT.Secret.Reveal()+got.RabbitMQ.URL.Reveal()); d != "" {
		t.Errorf("addresses or secrets differ from the defaults:\n%s", d)
	}
	got.RabbitMQ.URL, want.RabbitMQ.URL = config.Secret{}, config.Secret{}
	secrets := cmp.Comparer(func(a, b config.Secret) bool { return a.Reveal() == b.Reveal() })
	if d := cmp.Diff(want, got, secrets, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s differs from the defaults:\n%s", path, d)
	}
	inFile, err := config.FileKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range config.Keys(want) {
		if !slices.Contains(inFile, k) {
			t.Errorf("%s doesn't mention %s", path, k)
		}
	}
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

func TestEveryLimitCanBeOff(t *testing.T) {
	var env []string
	for _, key := range chat.LimitKeys(chat.ByGateway) {
		env = append(env, config.EnvName("limits."+key)+"=0")
	}
	cfg := defaults()
	if err := config.Load("", &cfg, config.Environ(env)); err != nil || cfg.Limits != (Limits{}) {
		t.Errorf("all limits set to 0: %+v, %v", cfg.Limits, err)
	}
}

func TestLimitsOfOtherProcessesAreUnknown(t *testing.T) {
	for _, s := range chat.LimitSpecs() {
		cfg := defaults()
		err := config.Load("", &cfg, config.Environ([]string{config.EnvName("limits."+s.Key) + "=0"}))
		if reads := s.By&chat.ByGateway != 0; reads != (err == nil) {
			t.Errorf("%s is read here: %v, but Load says %v", s.Key, reads, err)
		}
	}
}
