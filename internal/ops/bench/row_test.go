package bench

import (
	"strings"
	"testing"
	"time"

	"chat-service/internal/ops/bench/usage"
)

func TestSaturation(t *testing.T) {
	sp := func(full float64, self, system time.Duration) usage.Span {
		return usage.Span{Took: 10 * time.Second, Full: full, Self: self, CPU: map[string]time.Duration{"gw1": system}}
	}
	for _, tt := range []struct {
		name        string
		sp          usage.Span
		late        time.Duration
		sent, asked float64
		want        string // part of the only reason; "" = none
	}{
		{"fine", sp(.6, time.Second, 5*time.Second), time.Millisecond, 1000, 1000, ""},
		{"full, but of the system's work", sp(1, 5*time.Second, 15*time.Second), time.Millisecond, 0, 0, ""},
		{"full of the tool's work", sp(1, 15*time.Second, 5*time.Second), 0, 0, 0, "machine is full"},
		{"woke late", sp(.6, time.Second, time.Second), 50 * time.Millisecond, 0, 0, "50 ms late"},
		{"sent too little", sp(.6, time.Second, time.Second), 0, 900, 1000, "only 900 of 1000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			why := saturation(tt.sp, tt.late, tt.sent, tt.asked)
			if tt.want == "" && len(why) > 0 || tt.want != "" && (len(why) != 1 || !strings.Contains(why[0], tt.want)) {
				t.Errorf("reasons %q", why)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 2.6: "2.6", 0.294: "0.29", 9.999: "10", 10: "10", 13.46: "13.5", 99.96: "100", 140: "140", 1234567.4: "1,234,567", -12.5: "-12.5", 5: "5", 100.2: "100",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
