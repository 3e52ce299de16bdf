package state

import (
	"context"
	"errors"
	"strings"

	"chat-service/internal/chat"
)

// Version returns the version that the server reports, such as "7.4.1"; of a cluster, that of any node. It is for operators.
func (s *State) Version(ctx context.Context) (string, error) {
	var text string
	err := s.do(ctx, "version", func(ctx context.Context) (err error) {
		text, err = s.rdb().Info(ctx, "server").Result()
		return err
	})
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(text, "redis_version:")
	if !ok {
		return "", chat.Wrap(chat.Internal, errors.New("redis: INFO names no version"), "")
	}
	version, _, _ := strings.Cut(rest, "\r\n")
	return version, nil
}
