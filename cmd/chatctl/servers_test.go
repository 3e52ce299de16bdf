package main

import (
	"errors"
	"io"
	"slices"
	"testing"

	"chat-service/internal/ops/stack"
)

func TestServersRunHandsOverTheExitCode(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command []string
		want    int // 0 = no error
	}{
		{"success", []string{"sh", "-c", `test "$CHAT_TEST_X" = y`}, 0},
		{"failure", []string{"--", "sh", "-c", "exit 7"}, 7},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serversCmd{Command: tt.command}
			err := c.run(t.Context(), []string{"CHAT_TEST_X=y"}, stack.NewProgress(io.Discard))
			var code exitError
			if tt.want == 0 && err != nil || tt.want != 0 && (!errors.As(err, &code) || int(code) != tt.want) {
				t.Errorf("run = %v, want exit code %d", err, tt.want)
			}
		})
	}
	c := serversCmd{Command: []string{"/nowhere/program"}}
	if err := c.run(t.Context(), nil, stack.NewProgress(io.Discard)); err == nil {
		t.Error("a command that is not there succeeded")
	}
}

func TestServersPlan(t *testing.T) {
	for _, v := range testVars {
		t.Setenv(v, "")
	}
	t.Setenv("CHAT_TEST_REDIS_ADDR", "r:1")
	t.Setenv("CHAT_DATABASE_HOST", "production") // tests must never go there
	env, kinds := (&serversCmd{MySQL8: true}).plan()
	if !slices.Equal(env, []string{"CHAT_TEST_REDIS_ADDR=r:1"}) {
		t.Errorf("environment %v", env)
	}
	if !slices.Equal(kinds, []stack.Kind{stack.MySQL, stack.RabbitMQ, stack.MySQL8}) {
		t.Errorf("kinds %v", kinds)
	}
}
