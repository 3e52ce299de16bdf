package chat_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"chat-service/internal/chat"
)

func TestKinds(t *testing.T) {
	codes, specs := map[string]bool{}, map[chat.Kind]chat.KindSpec{}
	for _, s := range chat.KindSpecs() {
		if _, twice := specs[s.Kind]; twice || s.Code == "" || codes[s.Code] || s.Doc == "" {
			t.Errorf("%+v: there twice, or with a column that is empty or taken", s)
		}
		codes[s.Code], specs[s.Kind] = true, s
	}
	for _, k := range chat.Kinds() {
		if s, ok := specs[k]; !ok || k.String() != s.Code || k.Retry() != s.Retry || k.Text() != s.Doc {
			t.Errorf("kind %d is %v, retry %v, %q; its row says %+v", k, k, k.Retry(), k.Text(), s)
		}
	}
	if k := chat.Kind(200); k.String() != "internal" {
		t.Errorf("a number that is no kind is %v", k)
	}
	wrapped := fmt.Errorf("append message: %w", chat.E(chat.Muted, "until noon"))
	if chat.KindOf(wrapped) != chat.Muted || chat.As(wrapped).Msg != "until noon" {
		t.Errorf("kind of a wrapped error is %v", chat.KindOf(wrapped))
	}
	if chat.KindOf(context.DeadlineExceeded) != chat.Unavailable || chat.KindOf(errors.New("?")) != chat.Internal {
		t.Error("foreign errors must be unavailable where a deadline passed, else internal")
	}
}
