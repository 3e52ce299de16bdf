package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/config"
)

func TestConfigFileHoldsEveryKeyWithItsDefault(t *testing.T) {
	const path = "../../configs/worker.yaml"
	got, want := Config{}, defaults()
	if err := config.Load(path, &got, config.Environ(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Database.Host+want.RabbitMQ.URL.Reveal(), got.Database.Host+got.RabbitMQ.URL.Reveal()); d != "" {
		t.Errorf("addresses differ from the defaults:\n%s", d)
	}
	got.RabbitMQ.URL, want.RabbitMQ.URL = config.Secret{}, config.Secret{}
	opts := cmp.Comparer(func(a, b config.Secret) bool { return a.Reveal() == b.Reveal() })
	if d := cmp.Diff(want, got, opts, cmp.Transformer("list", func(s []string) []string { return append([]string{}, s...) })); d != "" {
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

func TestEveryLimitCanBeOff(t *testing.T) {
	var env []string
	for _, key := range chat.LimitKeys(chat.ByWorker) {
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
		if reads := s.By&chat.ByWorker != 0; reads != (err == nil) {
			t.Errorf("%s is read here: %v, but Load says %v", s.Key, reads, err)
		}
	}
}
