package main

import (
	"context"
	"errors"
	"time"

	"chat-service/internal/config"
	"chat-service/internal/store"
	"chat-service/internal/webhook"
	"chat-service/internal/worker/webhooks"
)

// Webhooks is how the application's endpoints are notified of what is committed.
type Webhooks struct {
	// AllowPrivate are networks that are not public and that endpoints may be in, if they ask for it; the api reads them, too.
	AllowPrivate []string `yaml:"allow_private"`
	// Retry are the waits after each failure of an event; the last one stays.
	Retry []config.Duration `yaml:"retry"`
	// GiveUp is how long an endpoint may take nothing before it is disabled.
	GiveUp config.Duration `yaml:"give_up"`
	// Timeout bounds a post.
	Timeout config.Duration `yaml:"timeout"`
	// Parallel bounds the posts at once to one endpoint.
	Parallel int `yaml:"parallel"`
	// PostsPerSecond bounds the posts of this worker to all endpoints.
	PostsPerSecond int `yaml:"posts_per_second"`
}

// Validate checks the networks and the ranges.
func (w Webhooks) Validate() error {
	_, err := w.networks()
	errs := []error{err}
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	need(len(w.Retry) > 0, "retry: must not be empty")
	for _, d := range w.retries() {
		need(d >= 10*time.Millisecond && d <= 48*time.Hour, "retry: each must be 10ms to 48h")
	}
	need(w.GiveUp.D() >= time.Minute, "give_up: must be at least 1m")
	need(w.Timeout.D() >= 100*time.Millisecond && w.Timeout.D() <= time.Minute, "timeout: must be 100ms to 1m")
	need(w.Parallel >= 1 && w.Parallel <= 128, "parallel: must be 1 to 128")
	need(w.PostsPerSecond >= 1 && w.PostsPerSecond <= 100_000, "posts_per_second: must be 1 to 100000")
	return errors.Join(errs...)
}

func (w Webhooks) networks() (webhook.Networks, error) {
	return config.Webhooks{AllowPrivate: w.AllowPrivate}.Networks()
}

// retries are the waits as the station takes them.
func (w Webhooks) retries() []time.Duration {
	ds := make([]time.Duration, len(w.Retry))
	for i, d := range w.Retry {
		ds[i] = d.D()
	}
	return ds
}

func defaultWebhooks() Webhooks {
	w := Webhooks{GiveUp: config.Duration(75 * time.Hour), Timeout: config.Duration(webhook.Timeout), Parallel: 16, PostsPerSecond: 400}
	for _, d := range webhooks.Retries() {
		w.Retry = append(w.Retry, config.Duration(d))
	}
	return w
}

// options are what the station needs to post, and what is to be done when it has stopped.
func (w Webhooks) options(stores *store.Store) (o *webhooks.Options, end func(), err error) {
	private, err := w.networks()
	client := webhook.New(webhook.Options{Private: private, Timeout: w.Timeout.D()})
	return &webhooks.Options{
		Book: stores.Webhooks, Notes: stores.Webhooks, Poster: poster{client}, Retry: w.retries(), GiveUp: w.GiveUp.D(), Timeout: w.Timeout.D(), Parallel: w.Parallel,
		Rate: w.PostsPerSecond,
	}, client.Close, err
}

// poster is the client as the station's port.
type poster struct{ *webhook.Client }

// Post implements webhooks.Poster.
func (p poster) Post(ctx context.Context, x webhooks.Post) (webhooks.Answer, error) {
	a, err := p.Client.Post(ctx, webhook.Delivery(x))
	return webhooks.Answer(a), err
}
