package state

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/leases.lua
var leasesLua string

//go:embed scripts/beat.lua
var beatLua string

//go:embed scripts/bury.lua
var buryLua string

//go:embed scripts/route.lua
var routeLua string

//go:embed scripts/allow.lua
var allowLua string

//go:embed scripts/fail.lua
var failLua string

//go:embed scripts/delay.lua
var delayLua string

// The scripts; a *redis.Script holds its text and digest and never changes.
var (
	leasesScript = redis.NewScript(leasesLua)
	beatScript   = redis.NewScript(beatLua)
	buryScript   = redis.NewScript(buryLua)
	routeScript  = redis.NewScript(routeLua)
	allowScript  = redis.NewScript(allowLua)
	failScript   = redis.NewScript(failLua)
	delayScript  = redis.NewScript(delayLua)
)
