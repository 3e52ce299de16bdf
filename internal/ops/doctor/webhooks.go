package doctor

import (
	"context"
	"fmt"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// failingWarn is how long an endpoint may take nothing: a receiver that is being restarted is none of doctor's business.
const failingWarn = 15 * time.Minute

// webhooks checks the endpoints of the application's backend.
func (x *examination) webhooks(ctx context.Context, db *store.Store) {
	ws, err := db.Webhooks.Webhooks(ctx)
	if err != nil {
		x.r.fail("see the server's log", "webhooks: %v", err)
		return
	}
	var ids []chat.WebhookID
	for _, w := range ws {
		ids = append(ids, w.ID)
	}
	burdens, err := db.Webhooks.WebhookBurdens(ctx, ids)
	if err != nil {
		x.r.fail("see the server's log", "webhooks: %v", err)
		return
	}
	x.judgeWebhooks(ws, burdens, time.Now())
}

func (x *examination) judgeWebhooks(ws []chat.Webhook, burdens []chat.WebhookBurden, now time.Time) {
	waiting := map[chat.WebhookID]int{}
	for _, b := range burdens {
		waiting[b.Webhook] = b.Rooms
	}
	well := 0
	for _, w := range ws {
		name := fmt.Sprintf("webhook %d (%s)", w.ID, w.URL)
		switch {
		case !w.DisabledAt.IsZero():
			x.r.warn(fmt.Sprintf("when it can take events again: chatctl webhook enable %d; if it isn't needed any more: chatctl webhook delete %d --yes", w.ID, w.ID),
				"%s is disabled since %s: %s; what happens waits", name, stamp(w.DisabledAt), w.DisabledWhy)
		case !w.FailingSince.IsZero() && now.Sub(w.FailingSince) >= failingWarn:
			x.r.warn(fmt.Sprintf("see why: chatctl webhook attempts %d --failed", w.ID),
				"%s has taken nothing since %s; %d rooms wait", name, stamp(w.FailingSince), waiting[w.ID])
		default:
			well++
		}
	}
	if well > 0 {
		x.r.ok("webhooks: %d endpoints take events", well)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
