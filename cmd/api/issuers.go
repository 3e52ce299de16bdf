package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/auth"
	"chat-service/internal/config"
	"chat-service/internal/daemon"
	"chat-service/internal/telemetry"
)

// Issuer is an issuer of tokens of the application's own, which POST /auth/exchange trades for sessions. Its keys come from one of
// JWKSFile, JWKSURL, PublicKeyFile and SecretFile.
type Issuer struct {
	// Issuer is the claim iss, compared exactly.
	Issuer string `yaml:"issuer"`
	// Audience must be among the claim aud.
	Audience string `yaml:"audience"`
	// JWKSFile is the path of a JSON Web Key Set of public keys.
	JWKSFile string `yaml:"jwks_file"`
	// JWKSURL is the address of one, which is fetched now and then.
	JWKSURL string `yaml:"jwks_url"`
	// PublicKeyFile is the path of one public key in PEM.
	PublicKeyFile string `yaml:"public_key_file"`
	// SecretFile is the path of a shared secret, for HS256.
	SecretFile string `yaml:"secret_file"`
	// SubjectClaim, NameClaim and PictureClaim name the claims that are read.
	SubjectClaim string `yaml:"subject_claim"`
	NameClaim    string `yaml:"name_claim"`
	PictureClaim string `yaml:"picture_claim"`
	// AutoProvision makes an account for a user who has none.
	AutoProvision bool `yaml:"auto_provision"`
	// Subjects says whose names its subjects are: "issuer", its own, or "external", the application's ids of users, as in its backend's calls.
	Subjects string `yaml:"subjects"`
	// Leeway is how far the issuer's clock may differ.
	Leeway config.Duration `yaml:"leeway"`
}

// SetDefaults implements config.Defaulted.
func (i *Issuer) SetDefaults() {
	i.SubjectClaim, i.NameClaim, i.PictureClaim, i.Subjects, i.Leeway = "sub", "name", "picture", "issuer", config.Duration(30*time.Second)
}

// validate checks what can be checked without the files.
func (i *Issuer) validate() []error {
	var errs []error
	given := 0
	for _, from := range []string{i.JWKSFile, i.JWKSURL, i.PublicKeyFile, i.SecretFile} {
		if from != "" {
			given++
		}
	}
	switch {
	case i.Issuer == "":
		errs = append(errs, errors.New("issuer: is empty: set the claim iss of its tokens"))
	case i.Audience == "":
		errs = append(errs, errors.New("audience: is empty: set the claim aud of its tokens, so that tokens for others aren't taken"))
	}
	if given != 1 {
		errs = append(errs, fmt.Errorf("%d sources of keys are given: set one of jwks_file, jwks_url, public_key_file and secret_file", given))
	}
	if i.SubjectClaim == "" {
		errs = append(errs, errors.New("subject_claim: is empty: set the claim that names the user, such as sub"))
	}
	if i.Subjects != "issuer" && i.Subjects != "external" {
		errs = append(errs, fmt.Errorf("subjects: is %q: set issuer, or external if they are the ids of users in the backend's calls", i.Subjects))
	}
	if i.Leeway < 0 || i.Leeway.D() > auth.MaxForeignLeeway {
		errs = append(errs, fmt.Errorf("leeway: is %v: set 0s to %v", i.Leeway, auth.MaxForeignLeeway))
	}
	if err := i.address(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// address checks the address of keys: who can change them on their way can be anybody.
func (i *Issuer) address() error {
	if i.JWKSURL == "" {
		return nil
	}
	u, err := url.Parse(i.JWKSURL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("jwks_url: is no address like https://login.example.com/jwks.json, without user and fragment")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if here := u.Hostname() == "localhost" || err == nil && ip.IsLoopback(); u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return errors.New("jwks_url: must be https://, or http:// to this machine: whoever can change the keys on their way can be anybody")
	}
	return nil
}

// keys reads the keys, or makes what fetches them.
func (i *Issuer) keys() (auth.ForeignKeys, error) {
	switch {
	case i.JWKSURL != "":
		return auth.NewRemoteKeys(i.JWKSURL), nil
	case i.JWKSFile != "":
		return keysIn("jwks_file", i.JWKSFile, auth.KeySet)
	case i.PublicKeyFile != "":
		return keysIn("public_key_file", i.PublicKeyFile, auth.PublicPEM)
	}
	return keysIn("secret_file", i.SecretFile, func(data []byte) (auth.FixedKeys, error) { return auth.SharedSecret(bytes.TrimRight(data, "\r\n")) })
}

// keysIn reads keys in a file. Errors never hold what is in it.
func keysIn(key, path string, read func([]byte) (auth.FixedKeys, error)) (auth.FixedKeys, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return auth.FixedKeys{}, fmt.Errorf("%s: %w", key, err)
	}
	keys, err := read(data)
	if err != nil {
		return auth.FixedKeys{}, fmt.Errorf("%s: %s %w", key, path, err)
	}
	return keys, nil
}

// issuersOf checks the list.
func issuersOf(list []Issuer) error {
	var errs []error
	seen := map[string]bool{}
	for n, i := range list {
		for _, err := range i.validate() {
			errs = append(errs, fmt.Errorf("issuers: entry %d: %w", n+1, err))
		}
		if i.Issuer != "" && seen[i.Issuer] {
			errs = append(errs, fmt.Errorf("issuers: entry %d: %s is there twice: keep one", n+1, i.Issuer))
		}
		seen[i.Issuer] = true
	}
	return errors.Join(errs...)
}

// foreigns makes what judges the issuers' tokens, nil if there are none, and what fetches their keys.
type foreigns struct {
	judge  *auth.Foreigns
	remote map[string]*auth.RemoteKeys // by issuer
}

func (a Auth) foreigns() (foreigns, error) {
	f := foreigns{remote: map[string]*auth.RemoteKeys{}}
	var all []auth.ForeignIssuer
	var errs []error
	for n, i := range a.Issuers {
		keys, err := i.keys()
		if err != nil {
			errs = append(errs, fmt.Errorf("auth.issuers: entry %d: %w", n+1, err))
			continue
		}
		if r, ok := keys.(*auth.RemoteKeys); ok {
			f.remote[i.Issuer] = r
		}
		all = append(all, auth.ForeignIssuer{
			Issuer: i.Issuer, Audience: i.Audience, Keys: keys, Subject: i.SubjectClaim, Name: i.NameClaim, Picture: i.PictureClaim,
			Provide: i.AutoProvision, External: i.Subjects == "external", Leeway: i.Leeway.D(),
		})
	}
	err := errors.Join(errs...)
	if err == nil && len(all) > 0 {
		f.judge, err = auth.NewForeigns(all, nil)
	}
	return f, err
}

// parts fetch the keys; what they have trouble with is shown by /readyz, a metric and, once, the log. The api serves on without.
func (f foreigns) parts(debug *telemetry.Debug, fetched *prometheus.GaugeVec, log *slog.Logger) (parts []daemon.Part) {
	for issuer, r := range f.remote {
		good := fetched.WithLabelValues(issuer)
		r.Changed = func(problem error) {
			if problem != nil {
				good.Set(0)
				log.Warn("an issuer's keys can't be fetched", "issuer", issuer, "error", problem)
				return
			}
			good.Set(1)
			log.Info("an issuer's keys were fetched", "issuer", issuer)
		}
		debug.Observe(telemetry.IssuerKeys+issuer, func(context.Context) error { return r.Problem() })
		parts = append(parts, daemon.Part{Name: telemetry.IssuerKeys + issuer, Run: r.Run})
	}
	return parts
}
