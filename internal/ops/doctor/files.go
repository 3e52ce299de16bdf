package doctor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"chat-service/internal/config"
	"chat-service/internal/ops/installation"
)

// workerFile, gatewayFile and apiFile are the sections of the processes' files that matter to others than themselves.
type workerFile struct {
	Server   config.ServerMode `yaml:"server"`
	Database config.Database   `yaml:"database"`
	Redis    config.Redis      `yaml:"redis"`
	RabbitMQ config.RabbitMQ   `yaml:"rabbitmq"`
	Debug    config.Debug      `yaml:"debug"`
}

type gatewayFile struct {
	Server   config.ServerMode `yaml:"server"`
	RabbitMQ config.RabbitMQ   `yaml:"rabbitmq"`
	JWT      config.JWT        `yaml:"jwt"`
	Debug    config.Debug      `yaml:"debug"`
}

type apiFile struct {
	Server   config.ServerMode `yaml:"server"`
	Database config.Database   `yaml:"database"`
	Redis    config.Redis      `yaml:"redis"`
	RabbitMQ busNames          `yaml:"rabbitmq"`
	JWT      config.JWT        `yaml:"jwt"`
	Debug    config.Debug      `yaml:"debug"`
}

// busNames are the RabbitMQ settings that the api has.
type busNames struct {
	Exchange   string `yaml:"exchange"`
	Partitions int    `yaml:"partitions"`
}

// facts are the settings that all processes must agree on.
type facts struct {
	process    string
	partitions int
	prefix     string
	mode       string
	jwt        *config.JWT // nil: uses no tokens
}

// files checks the three files, each by itself and against the others. broken is the error of reading the settings.
func (x *examination) files(ctx context.Context, broken error) {
	x.debug = map[string]string{}
	if x.Run != "" {
		x.r.ok("servers of the run in %s", x.Run)
	}
	var all []facts
	for _, f := range []struct{ process, path string }{
		{"worker", x.File}, {"gateway", or(x.o.GatewayConfig, x.Beside("gateway"))}, {"api", or(x.o.APIConfig, x.Beside("api"))},
	} {
		named := f.process == "worker" || f.process == "gateway" && x.o.GatewayConfig != "" || f.process == "api" && x.o.APIConfig != ""
		if _, err := os.Stat(f.path); err != nil && f.path != "" {
			if named {
				x.r.fail("give the file that the "+f.process+" is started with", "%s: %v", f.process, err)
			} else {
				x.r.warn("give it with --"+f.process+"-config to check it, too", "%s: there is no file %s", f.process, f.path)
			}
			continue
		}
		found, errs := x.file1(f.process, f.path)
		if f.process == "worker" && len(errs) == 0 && broken != nil {
			errs = []error{broken}
		}
		x.judgeFile(ctx, f.process, f.path, errs)
		all = append(all, found)
	}
	x.agree(all)
}

// file1 reads one process's file.
func (x *examination) file1(process, path string) (facts, []error) {
	f := facts{process: process}
	var err error
	switch process {
	case "worker":
		c := workerFile{config.DefaultServerMode(), config.DefaultDatabase(), config.DefaultRedis(), config.DefaultRabbitMQ(), config.DefaultDebug(9102)}
		err = installation.Load(path, &c, x.Environ)
		f.partitions, f.prefix, f.mode = c.RabbitMQ.Partitions, c.RabbitMQ.Prefix(), c.Server.Mode
		x.pools = append(x.pools, pool{process, c.Database.MaxOpen})
		x.debug[process] = c.Debug.Addr()
	case "gateway":
		c := gatewayFile{config.DefaultServerMode(), config.DefaultRabbitMQ(), config.DefaultJWT(), config.DefaultDebug(9101)}
		err = installation.Load(path, &c, x.Environ)
		f.partitions, f.prefix, f.mode, f.jwt = c.RabbitMQ.Partitions, c.RabbitMQ.Prefix(), c.Server.Mode, &c.JWT
		x.debug[process] = c.Debug.Addr()
	case "api":
		d := config.DefaultRabbitMQ()
		c := apiFile{config.DefaultServerMode(), config.DefaultDatabase(), config.DefaultRedis(), busNames{d.Exchange, d.Partitions}, config.DefaultJWT(), config.DefaultDebug(9103)}
		err = installation.Load(path, &c, x.Environ)
		f.partitions, f.prefix, f.mode, f.jwt = c.RabbitMQ.Partitions, config.RabbitMQ{Exchange: c.RabbitMQ.Exchange}.Prefix(), c.Server.Mode, &c.JWT
		x.pools = append(x.pools, pool{process, c.Database.MaxOpen})
		x.apiReplicas = c.Database.Replicas
		x.debug[process] = c.Debug.Addr()
	}
	return f, unjoined(err)
}

// unjoined returns the parts of a joined error.
func unjoined(err error) []error {
	if err == nil {
		return nil
	}
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		return all.Unwrap()
	}
	return []error{err}
}

// judgeFile reports a file's mistakes. If the process's own binary exists, that checks the whole file.
func (x *examination) judgeFile(ctx context.Context, process, path string, errs []error) {
	name := or(path, "the environment and defaults")
	bin := filepath.Join(x.o.Bin, process)
	whole := false
	if _, err := os.Stat(bin); err == nil && path != "" {
		text, err := x.ownCheck(ctx, bin, path)
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			x.r.fail("correct what is reported; `"+bin+" -config "+path+" -check` checks it again", "%s: %s\n%s", process, path, text)
			return
		case err != nil:
			x.r.warn("build it (make build)", "%s: %s can't be run: %v", process, bin, err)
		default:
			whole = true
		}
	}
	for _, err := range errs {
		x.r.fail("correct it in "+name+" or in the environment", "%s: %v", process, err)
	}
	switch {
	case len(errs) > 0:
	case whole:
		x.r.ok("%s: %s is valid", process, name)
	default:
		x.r.ok("%s: %s is valid in its shared sections (if %s exists, the whole file is checked)", process, name, bin)
	}
}

// ownCheck lets the process's binary check its file.
func (x *examination) ownCheck(ctx context.Context, bin, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-config", path, "-check")
	cmd.Env = x.Environ
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return strings.TrimSpace(string(text)), err
}

// agree compares the settings that must be the same in all processes.
func (x *examination) agree(all []facts) {
	if len(all) < 2 {
		return
	}
	before, first := x.r.Count(Fail), all[0]
	var tokens *facts
	for i, f := range all {
		if f.partitions != first.partitions {
			x.r.fail("set rabbitmq.partitions to the same number everywhere", "partitions: %s has %d, %s has %d", first.process, first.partitions, f.process, f.partitions)
		}
		if f.prefix != first.prefix {
			x.r.fail("set rabbitmq.exchange to the same name everywhere", "exchange: %s uses the prefix %q, %s uses %q", first.process, first.prefix, f.process, f.prefix)
		}
		if f.mode != first.mode {
			x.r.warn("set server.mode to the same value everywhere", "mode: %s is in %s, %s in %s", first.process, first.mode, f.process, f.mode)
		}
		if f.jwt == nil {
			continue
		}
		if tokens == nil {
			tokens = &all[i]
			continue
		}
		x.agreeTokens(*tokens, f)
	}
	if x.r.Count(Fail) == before {
		x.r.ok("the files agree: %d partitions, prefix %s, mode %s", first.partitions, first.prefix, first.mode)
	}
}

// agreeTokens checks that each process accepts what the other one signs. Secrets are compared, never shown.
func (x *examination) agreeTokens(a, b facts) {
	if !a.jwt.Symmetric() || !b.jwt.Symmetric() {
		return // Ed25519: which public part belongs to which key, the processes say at their start
	}
	if !a.jwt.Secret.Equal(b.jwt.Secret) || a.jwt.KeyID != b.jwt.KeyID {
		if !accepts(a.jwt, b.jwt) || !accepts(b.jwt, a.jwt) {
			x.r.fail("set jwt.secret and jwt.key_id to the same values, or list the other's key in jwt.keys while keys are rotated", "jwt: %s and %s have different keys", a.process, b.process)
		}
	}
	if a.jwt.Issuer != b.jwt.Issuer || a.jwt.Audience != b.jwt.Audience {
		x.r.fail("set jwt.issuer and jwt.audience to the same values", "jwt: %s and %s differ in issuer or audience", a.process, b.process)
	}
}

// accepts reports whether a accepts tokens signed with b's key.
func accepts(a, b *config.JWT) bool {
	if a.KeyID == b.KeyID {
		return a.Secret.Equal(b.Secret)
	}
	for _, k := range a.Keys {
		if k.Name == b.KeyID {
			return k.Secret.Equal(b.Secret)
		}
	}
	return false
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
