package rabbit

import (
	"slices"
	"testing"

	"chat-service/internal/config"
)

func TestOptions(t *testing.T) {
	c := config.DefaultRabbitMQ()
	c.Exchange, c.QueueType, c.Partitions = "x.exchange", config.QueueClassic, 3
	o, err := Options(c)
	if err != nil || o.TLS != nil || !slices.Equal(o.URLs, []string{c.URL.Reveal()}) || o.Prefix != "x" || o.QueueType != "classic" || o.Partitions != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	c.URLs = []config.Secret{config.NewSecret("amqps://a"), config.NewSecret("amqps://b")}
	if o, err := Options(c); err != nil || o.TLS == nil || !slices.Equal(o.URLs, []string{"amqps://a", "amqps://b"}) {
		t.Errorf("%+v, %v", o, err)
	}
	c.TLSCA = "nowhere.pem"
	if _, err := Options(c); err == nil {
		t.Error("an authority that isn't there")
	}
}
