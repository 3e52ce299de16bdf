package floors

// station says where a package stands and what it may import of ours. Floors are numbered from the ground; imports go
// down only.
type station struct {
	floor  int
	inside []string // packages of ours that its product code may import
	why    string
}

const module = "chat-service"

const (
	whyGround   = "the ground floor knows nothing of the product's machinery, so that everything may stand on it"
	whyContract = "a contract speaks only the vocabulary, so that both of its sides can be changed alone"
	whyAdapter  = "an adapter owns one technology and knows no other, so that each can be replaced or tested alone"
	whyStation  = "a station declares what it needs in ports.go; only cmd knows both it and its adapters"
	whyTest     = "tests of the whole may look everywhere, and no product code may lean on them"
	whyCmd      = "a command wires; it is the only place that sees stations and adapters together"
)

// stations is DESIGN's list of packages. A package that is not on it has no place.
var stations = map[string]station{
	"internal/chat":      {0, nil, whyGround},
	"internal/config":    {0, nil, whyGround},
	"internal/telemetry": {0, nil, whyGround},
	"internal/daemon":    {0, nil, whyGround},

	"internal/faults": {0, nil, "product code calls it at every step, so it must weigh nothing"},

	"internal/protocol": {1, []string{"internal/chat"}, whyContract},
	"internal/envelope": {1, []string{"internal/chat"}, whyContract},

	"internal/auth":      {2, []string{"internal/chat"}, whyAdapter},
	"internal/broker":    {2, []string{"internal/chat", "internal/envelope", "internal/telemetry", "internal/faults"}, whyAdapter},
	"internal/store":     {2, []string{"internal/chat", "internal/envelope", "internal/telemetry", "internal/faults"}, whyAdapter},
	"internal/state":     {2, []string{"internal/chat", "internal/telemetry", "internal/faults"}, whyAdapter},
	"internal/ops/stack": {2, []string{"internal/chat", "internal/config", "internal/telemetry", "internal/daemon"}, "it brings up servers for people and tests, and knows nothing of what runs on them"},

	"internal/ops/bench": {2, []string{"internal/chat", "internal/ops/stack"}, "it measures the system from outside, and the servers by themselves"},

	"internal/gateway": {3, stationMayImport, whyStation},
	"internal/worker":  {3, stationMayImport, whyStation},
	"internal/api":     {3, stationMayImport, whyStation},

	"web":  {0, nil, "it is files, and the headers they need"},
	"docs": {4, nil, whyTest},

	"internal/test/testkit": {4, []string{"*"}, whyTest},
	"internal/test/e2e":     {4, []string{"*"}, whyTest},
	"internal/test/chaos":   {4, []string{"*"}, whyTest},
	"internal/test/road":    {4, []string{"*"}, whyTest},
	"internal/test/floors":  {4, nil, whyTest},

	"cmd/gateway": {4, command("internal/gateway", "internal/auth", "internal/broker"), whyCmd},
	"cmd/worker":  {4, command("internal/worker", "internal/broker", "internal/store", "internal/state"), whyCmd},
	"cmd/api":     {4, command("internal/api", "internal/auth", "internal/store", "internal/state", "web"), whyCmd},
	"cmd/chatctl": {4, command("internal/ops/stack", "internal/ops/bench", "internal/auth", "internal/broker", "internal/store", "internal/state"), whyCmd},
}

var stationMayImport = []string{"internal/chat", "internal/protocol", "internal/envelope", "internal/telemetry", "internal/faults"}

// command lists what a command may import: the two lower floors, and what it wires.
func command(wires ...string) []string {
	return append([]string{
		"internal/chat", "internal/config", "internal/telemetry", "internal/daemon", "internal/faults",
		"internal/protocol", "internal/envelope",
	}, wires...)
}

// importers are packages that few may import; product code only.
var importers = map[string][]string{
	"internal/ops/stack":    {"cmd/chatctl", "internal/ops/bench", "internal/test/testkit", "internal/test/e2e", "internal/test/chaos"},
	"internal/ops/bench":    {"cmd/chatctl"},
	"internal/test/testkit": {"internal/test/e2e", "internal/test/chaos"},
	"internal/test/e2e":     {},
	"internal/test/chaos":   {},
	"internal/test/road":    {},
	"internal/test/floors":  {},
}

// brand is a technology from outside that few packages may know.
type brand struct {
	name     string
	prefixes []string
	owners   []string // who may import it
	why      string
	direct   bool // only direct imports count: half the world links it
}

var brands = []brand{
	{name: "gorm", prefixes: []string{"gorm.io/"}, owners: []string{"internal/store"}, why: "SQL is the store's business; others speak to its verbs"},
	{name: "mysql driver", prefixes: []string{"github.com/go-sql-driver/mysql", "github.com/pressly/goose"}, owners: []string{"internal/ops/bench", "internal/store", "internal/test/testkit", "internal/test/e2e"}, why: "SQL is the store's business; others speak to its verbs"},
	{name: "database/sql", prefixes: []string{"database/sql"}, owners: []string{"internal/ops/bench", "internal/store", "internal/telemetry", "internal/test/testkit", "internal/test/e2e"}, why: "SQL is the store's business; others speak to its verbs", direct: true},
	{name: "amqp091", prefixes: []string{"github.com/rabbitmq/amqp091-go"}, owners: []string{"internal/ops/bench", "internal/broker", "internal/test/testkit", "internal/test/e2e"}, why: "RabbitMQ's traps are handled once, in the broker"},
	{name: "go-redis", prefixes: []string{"github.com/redis/go-redis"}, owners: []string{"internal/state", "internal/test/e2e"}, why: "Redis is a cache that may vanish; only state knows how to live with that"},
	{name: "fiber", prefixes: []string{"github.com/gofiber/fiber"}, owners: []string{"internal/api"}, why: "Fiber reuses buffers; only the api's edge knows where to copy"},
	{name: "fasthttp websocket", prefixes: []string{"github.com/fasthttp/websocket"}, owners: []string{"internal/gateway", "internal/test/e2e"}, why: "sockets are the gateway's business"},
	{name: "fasthttp", prefixes: []string{"github.com/valyala/fasthttp"}, owners: []string{"internal/gateway", "internal/api", "internal/test/e2e"}, why: "fasthttp reuses buffers; only the two edges know where to copy"},
	{name: "jwt", prefixes: []string{"github.com/golang-jwt/"}, owners: []string{"internal/auth"}, why: "tokens are judged in one place"},
	{name: "argon2", prefixes: []string{"github.com/alexedwards/argon2id", "golang.org/x/crypto/argon2"}, owners: []string{"internal/auth"}, why: "hashing needs its bound on memory, which auth keeps"},
	{name: "yaml", prefixes: []string{"go.yaml.in/", "gopkg.in/yaml", "github.com/knadh/koanf"}, owners: []string{"internal/config", "internal/ops/stack", "internal/test/e2e"}, why: "configuration is read in one strict way"},
}

// forbidden are modules that nobody may import.
var forbidden = map[string]string{
	"github.com/stretchr/testify": "tests use the standard library and go-cmp: one way to assert",
	"go.uber.org/mock":            "no generated mocks: an in-memory twin of a small port says more",
	"github.com/golang/mock":      "no generated mocks: an in-memory twin of a small port says more",
	"go.uber.org/fx":              "no dependency injection framework: wiring is read top to bottom in cmd",
	"go.uber.org/dig":             "no dependency injection framework: wiring is read top to bottom in cmd",
	"github.com/google/wire":      "no dependency injection framework: wiring is read top to bottom in cmd",
}

// links are the brands that a binary must not contain, however it might come to them.
var links = map[string][]string{
	"cmd/gateway": {"gorm", "mysql driver", "go-redis", "fiber"},
	"cmd/api":     {"amqp091"},
	"cmd/worker":  {"fiber", "fasthttp websocket"},
}

// impure are packages of the standard library that the vocabulary must not know: its rules are functions of values.
var impure = []string{"net", "net/http", "os", "io", "log", "log/slog", "database/sql", "math/rand", "math/rand/v2", "sync"}

// vague are names that say nothing about what a package is for.
var vague = []string{
	"manager", "managers", "service", "services", "util", "utils", "common", "model", "models", "helper", "helpers",
	"base", "lib", "misc", "shared", "types", "core", "handlers", "controllers", "middleware",
}

// The limits of size. They are the largest sizes found in code bases that people like to read.
const (
	maxFile      = 500
	maxTestFile  = 1000
	maxMain      = 120
	maxFunc      = 80
	maxPackage   = 3000
	maxInterface = 7
	maxPort      = 5
	maxParams    = 5
)
