// Package management speaks to RabbitMQ's HTTP API, which its plugin rabbitmq_management offers: operators' commands make users by it,
// and look at queues and nodes, of which AMQP shows nothing.
package management

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// within bounds a call: a broker under load answers slowly.
const within = 20 * time.Second

// longest bounds an answer: a few thousand queues.
const longest = 64 << 20

// Client is one user of the API.
type Client struct {
	base           string
	user, password string
	client         *http.Client
}

// New addresses the API at http(s)://host:port. The user is the URL's, else the one given.
func New(address, user, password string, client *http.Client) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of RabbitMQ's HTTP API must be http://host:15672, or https://")
	}
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	u.User = nil
	return &Client{strings.TrimRight(u.String(), "/"), user, password, client}, nil
}

// Put sends a body as JSON.
func (c *Client) Put(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPut, path, text, nil)
}

// Get reads an answer into a value.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.call(ctx, http.MethodGet, path, nil, into)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(c.user, c.password)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("RabbitMQ's HTTP API: %w: is its plugin enabled (rabbitmq-plugins enable rabbitmq_management), and is this its address?", err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode/100 == 2 && into == nil:
		return nil
	case res.StatusCode/100 == 2:
		if err := json.NewDecoder(io.LimitReader(res.Body, longest)).Decode(into); err != nil {
			return fmt.Errorf("RabbitMQ's HTTP API at %s: %s: %w", c.base, path, err)
		}
		return nil
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("RabbitMQ's HTTP API at %s refuses user %s (%s): give an administrator in its address or in rabbitmq.url", c.base, c.user, res.Status)
	}
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // for the error's text only
	return fmt.Errorf("RabbitMQ's HTTP API at %s: %s %s: %s: %s", c.base, method, path, res.Status, strings.TrimSpace(string(answer)))
}
