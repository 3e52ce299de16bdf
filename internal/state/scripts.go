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

//go:embed scripts/refund.lua
var refundLua string

//go:embed scripts/try.lua
var tryLua string

//go:embed scripts/settle.lua
var settleLua string

// The scripts; a *redis.Script holds its text and digest and never changes.
var (
	leasesScript = redis.NewScript(leasesLua)
	beatScript   = redis.NewScript(beatLua)
	buryScript   = redis.NewScript(buryLua)
	routeScript  = redis.NewScript(routeLua)
	allowScript  = redis.NewScript(allowLua)
	refundScript = redis.NewScript(refundLua)
	tryScript    = redis.NewScript(tryLua)
	settleScript = redis.NewScript(settleLua)
)
