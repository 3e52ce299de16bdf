package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"
)

// LogOptions say how much is logged, and in which format.
type LogOptions struct {
	// Process is the binary's name; every line has it.
	Process string
	// Level is debug, info, warn or error; empty means info.
	Level string
	// Format is json or text; empty means json.
	Format string
	// Burst is how many lines of the same level and message are written per Interval; 0 means no limit. Metrics count
	// everything; the log is read by people.
	Burst int
	// Interval is the period of Burst; 0 means 10 s.
	Interval time.Duration
}

// NewLogger makes a logger that writes to w. It masks what looks like a secret: see Mask and the names in isSecret.
func NewLogger(w io.Writer, o LogOptions) (*slog.Logger, error) {
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: set debug, info, warn or error", o.Level)
		}
	}
	ho := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	var h slog.Handler
	switch o.Format {
	case "", "json":
		h = slog.NewJSONHandler(w, ho)
	case "text":
		h = slog.NewTextHandler(w, ho)
	default:
		return nil, fmt.Errorf("log format %q: set json or text", o.Format)
	}
	if o.Burst > 0 {
		h = newSampler(h, o.Burst, o.Interval)
	}
	return slog.New(h).With("process", o.Process), nil
}

const masked = "[redacted]"

// redact masks secrets in every attribute before it is written.
func redact(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindGroup {
		return a
	}
	if isSecret(a.Key) {
		return slog.String(a.Key, masked)
	}
	switch v := a.Value.Any().(type) {
	case time.Duration: // JSON would show nanoseconds
		return slog.String(a.Key, v.String())
	case os.Signal: // and a number
		return slog.String(a.Key, v.String())
	case string:
		return slog.String(a.Key, Mask(v))
	case error:
		return slog.String(a.Key, Mask(v.Error()))
	}
	return a
}

// isSecret reports whether a word of an attribute's name marks its value as a secret.
func isSecret(key string) bool {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '.' || r == '-' })
	for _, w := range words {
		switch w {
		case "token", "secret", "password", "passwd", "authorization", "cookie", "dsn":
			return true
		}
	}
	return false
}

// named finds tokens and passwords in query strings and headers; inURL finds passwords in URLs and DSNs, which end at
// the last @ of a word.
var (
	named = regexp.MustCompile(`(?i)(\btoken=|\bpassword=|\bbearer[ .])[^\s"'&,;]+`)
	inURL = regexp.MustCompile(`((?:://[^:/@\s]*|\b[\w.-]+):)[^\s"'/][^\s"']*@`)
)

// Mask replaces the values of token=, password= and bearer, and the passwords of user:password@host.
func Mask(text string) string {
	if strings.ContainsAny(text, "=@ .") {
		text = named.ReplaceAllString(text, "${1}"+masked)
		if strings.Contains(text, "@") {
			text = inURL.ReplaceAllString(text, "${1}"+masked+"@")
		}
	}
	return text
}
