//go:build chaos

package chaos

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metrics are a process's numbers by name and labels.
type metrics map[string]float64

func (w *world) metrics(process string) (metrics, error) {
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.Debug(process)+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	m := metrics{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			m[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
		}
	}
	return m, err
}

// sum adds up a metric over all its labels.
func (m metrics) sum(name string) (n float64) {
	for k, v := range m {
		if k == name || strings.HasPrefix(k, name+"{") {
			n += v
		}
	}
	return n
}

// socketsMatch waits until the gateways hold exactly the sockets that clients hold.
func (w *world) socketsMatch() {
	want := 0
	for _, p := range w.people {
		if p.c.Connected() {
			want++
		}
	}
	why := ""
	for end := time.Now().Add(quiescence); time.Now().Before(end); pause(w.t.Context(), 200*time.Millisecond) {
		have, err := w.sockets()
		if err == nil && int(have) == want {
			return
		}
		why = fmt.Sprintf("the gateways count %v sockets, the clients %d, %v", have, want, err)
	}
	w.found.add("I14", "not at rest: %s", why)
}

// sockets is how many sockets the gateways say that they hold.
func (w *world) sockets() (n float64, err error) {
	for i := range w.urls {
		m, err := w.metrics("gateway-" + strconv.Itoa(i+1))
		if err != nil {
			return 0, err
		}
		n += m.sum("chat_gateway_sockets")
	}
	return n, nil
}
