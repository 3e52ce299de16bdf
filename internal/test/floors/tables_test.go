package floors

const module = "chat-service"

const (
	whyGround   = "the ground floor knows nothing of the product's machinery, so that everything may stand on it"
	whyContract = "a contract speaks only the vocabulary, so that both of its sides can be changed alone"
	whyAdapter  = "an adapter owns one technology and knows no other, so that each can be replaced or tested alone"
	whyStation  = "a station declares what it needs in ports.go; only cmd knows both it and its adapters"
	whyWiring   = "a section of the configuration becomes its adapter's options once for all commands, and a command links only what it uses"
	whyTest     = "tests look at the product from outside, so that they can't share its mistakes, and no product code may lean on them"
	whyCmd      = "a command wires; it is the only place that sees stations and adapters together"
)

// family is a package, or a folder of packages, with one place in the house. Floors are numbered from the ground; imports
// between families go down only, and only to those named.
type family struct {
	root    string
	floor   int
	imports []string   // families that its product code may import; all of a family's packages with it
	inside  [][]string // its packages below root, from the ground up; "." is root itself. nil: root and whatever is below it
	why     string
}

// house is DESIGN's list of packages. A package that is not on it has no place.
//
// Inside a family imports go down only, too: a package may import those of the lines above it in the list, none of its own line.
var house = []family{
	{"internal/chat", 0, nil, nil, whyGround},
	{"internal/config", 0, nil, [][]string{{"."}, {"configtest"}}, whyGround},
	{"internal/telemetry", 0, nil, nil, whyGround},
	{"internal/daemon", 0, nil, nil, whyGround},
	{"internal/trust", 0, nil, nil, "three adapters and doctor give the same advice, and none of them may know another"},
	{"internal/faults", 0, nil, nil, "product code calls it at every step, so it must weigh nothing"},
	{"web", 0, nil, nil, "it is files, and the headers they need"},
	{"configs", 0, nil, nil, "it is files"},

	{"internal/protocol", 1, []string{"internal/chat"}, nil, whyContract},
	{"internal/envelope", 1, []string{"internal/chat"}, nil, whyContract},

	{"internal/auth", 2, []string{"internal/chat"}, nil, whyAdapter},
	{"internal/broker", 2, []string{"internal/chat", "internal/envelope", "internal/telemetry", "internal/faults", "internal/trust"}, [][]string{{"nodes", "rights"}, {"."}, {"queues"}}, whyAdapter},
	{"internal/state", 2, []string{"internal/chat", "internal/telemetry", "internal/faults", "internal/trust"}, nil, whyAdapter},
	{"internal/store", 2, []string{"internal/chat", "internal/envelope", "internal/telemetry", "internal/faults", "internal/trust"}, [][]string{
		{"skeleton"},
		{"table", "db"},
		{"schema"},
		{"outbox", "audit"},
		{"webhooks"},
		{"messages"},
		{"rooms", "accounts", "changes"},
		{"jobs"},
		{"operator"},
		{"."},
		{"storetest", "fakestore"},
	}, whyAdapter},
	{"internal/webhook", 2, []string{"internal/chat"}, nil, "it speaks HTTP to strangers, and nobody else does; what is posted, and when, it doesn't know"},
	{"internal/ops/stack", 2, []string{"internal/chat", "internal/config", "internal/telemetry", "internal/daemon", "internal/protocol"}, [][]string{
		{"frontdoor", "dpkg", "aptsource", "greeting", "ownroot", "ports"},
		{"."},
	}, "it brings up servers for people and tests, and knows nothing of what runs on them"},

	{"internal/wiring/keys", 3, []string{"internal/config", "internal/auth"}, nil, whyWiring},
	{"internal/wiring/rabbit", 3, []string{"internal/config", "internal/broker"}, nil, whyWiring},
	{"internal/wiring/redis", 3, []string{"internal/config", "internal/state"}, nil, whyWiring},
	{"internal/wiring/mysql", 3, []string{"internal/config", "internal/store"}, nil, whyWiring},
	{"internal/ops/management", 2, nil, nil, "it speaks HTTP to the broker for operators' commands, and knows nothing of what they want there"},
	{"internal/ops/bench", 3, []string{"internal/chat", "internal/ops/stack"}, [][]string{
		{"usage", "limits", "latency"},
		{"."},
		{"report", "privatestack"},
	}, "it measures the system from outside, and the servers by themselves"},
	{"internal/ops/importer", 3, []string{"internal/chat", "internal/protocol"}, nil, "it reads and checks a file; where its lines go it declares, and only its command knows"},
	{"internal/ops/grants", 3, []string{"internal/chat", "internal/broker", "internal/state", "internal/store", "internal/ops/management"}, nil, "what each role may do stands with the adapters; it puts that together"},
	{"internal/ops/spread", 3, []string{"internal/chat", "internal/broker", "internal/store"}, nil, "who owns which partition follows from the live workers alone"},
	{"internal/gateway", 3, stationMayImport, [][]string{
		{"inlet", "hub", "bounds", "denial", "turns"},
		{"."},
	}, whyStation},
	{"internal/worker", 3, stationMayImport, [][]string{
		{"deliver"},
		{"line"},
		{"lanes", "sockets", "catchup", "jobs", "webhooks"},
		{"."},
	}, whyStation},
	{"internal/api", 3, stationMayImport, [][]string{
		{"server", "names"},
		{"rooms"},
		{"backend"},
		{"."},
	}, whyStation},

	{"internal/ops/installation", 4, []string{
		"internal/chat", "internal/config", "internal/broker", "internal/state", "internal/store", "internal/ops/stack", "configs",
		"internal/wiring/rabbit", "internal/wiring/redis", "internal/wiring/mysql",
	}, nil, "it finds and opens an installation's servers for operators' commands, and knows none of the commands"},
	{
		"internal/ops/standstill", 4,
		[]string{"internal/chat", "internal/broker", "internal/state", "internal/store", "internal/ops/spread"},
		nil,
		"what may only be done while nothing runs stands in one place, with the wait for that",
	},
	{"internal/ops/hooks", 3, []string{"internal/chat", "internal/store", "internal/webhook"}, nil, "which installation it works on, and how it prints, only its command knows"},
	{"internal/ops/doctor", 5, []string{
		"internal/chat", "internal/config", "internal/telemetry", "internal/trust", "internal/broker", "internal/state", "internal/store",
		"internal/ops/installation", "internal/ops/spread", "internal/ops/management",
	}, nil, "it examines from outside what the processes run with, and leaves printing to its command"},

	{"cmd/gateway", 6, command("internal/gateway", "internal/auth", "internal/broker", "internal/wiring/keys", "internal/wiring/rabbit"), nil, whyCmd},
	{"cmd/worker", 6, command("internal/worker", "internal/webhook", "internal/wiring/rabbit", "internal/wiring/redis", "internal/wiring/mysql", "internal/broker", "internal/store", "internal/state"), nil, whyCmd},
	{"cmd/api", 6, command("internal/api", "internal/webhook", "internal/auth", "internal/wiring/keys", "internal/wiring/redis", "internal/wiring/mysql", "internal/store", "internal/state", "web"), nil, whyCmd},
	{"cmd/chatctl", 6, command("internal/ops/stack", "internal/ops/bench", "internal/ops/grants", "internal/ops/importer", "internal/ops/management", "internal/ops/installation", "internal/ops/spread", "internal/ops/standstill", "internal/ops/doctor", "internal/ops/hooks", "internal/auth", "internal/broker", "internal/store", "internal/state"), nil, whyCmd},

	{"internal/test", 7, nil, [][]string{
		{"testkit/history", "testkit/faultproxy", "testkit/authority", "testkit/lab", "wscases"},
		{"testkit"},
		{"e2e", "attacks", "browser", "chaos", "cluster", "conformance", "deploy", "road", "tables", "floors"},
	}, whyTest},
	{"docs", 7, nil, nil, whyTest},
}

var stationMayImport = []string{"internal/chat", "internal/protocol", "internal/envelope", "internal/telemetry", "internal/faults"}

// command lists what a command may import: the two lower floors, and what it wires.
func command(wires ...string) []string {
	return append([]string{
		"internal/chat", "internal/config", "internal/telemetry", "internal/daemon", "internal/faults",
		"internal/protocol", "internal/envelope", "configs",
	}, wires...)
}

// importers are packages that only these families may import in product code; tests may import them freely.
var importers = map[string][]string{
	"internal/ops/stack":        {"cmd/chatctl", "internal/ops/bench", "internal/ops/installation"},
	"internal/ops/bench":        {"cmd/chatctl"},
	"internal/ops/management":   {"cmd/chatctl", "internal/ops/grants", "internal/ops/doctor"},
	"internal/ops/grants":       {"cmd/chatctl"},
	"internal/ops/importer":     {"cmd/chatctl"},
	"internal/ops/hooks":        {"cmd/chatctl"},
	"internal/ops/installation": {"cmd/chatctl", "internal/ops/doctor"},
	"internal/ops/spread":       {"cmd/chatctl", "internal/ops/doctor", "internal/ops/standstill"},
	"internal/ops/standstill":   {"cmd/chatctl"},
	"internal/ops/doctor":       {"cmd/chatctl"},
	"internal/store/storetest":  {},
	"internal/store/fakestore":  {},
	"internal/test":             {},
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
	{name: "mysql driver", prefixes: []string{"github.com/go-sql-driver/mysql", "github.com/pressly/goose"}, owners: []string{"internal/ops/bench", "internal/store", "internal/test"}, why: "SQL is the store's business; others speak to its verbs"},
	{name: "database/sql", prefixes: []string{"database/sql"}, owners: []string{"internal/ops/bench", "internal/store", "internal/telemetry", "internal/test"}, why: "SQL is the store's business; others speak to its verbs", direct: true},
	{name: "amqp091", prefixes: []string{"github.com/rabbitmq/amqp091-go"}, owners: []string{"internal/ops/bench", "internal/broker", "internal/test"}, why: "RabbitMQ's traps are handled once, in the broker"},
	{name: "go-redis", prefixes: []string{"github.com/redis/go-redis"}, owners: []string{"internal/state", "internal/test"}, why: "Redis is a cache that may vanish; only state knows how to live with that"},
	{name: "fiber", prefixes: []string{"github.com/gofiber/fiber"}, owners: []string{"internal/api"}, why: "Fiber reuses buffers; only the api's edge knows where to copy"},
	{name: "fasthttp websocket", prefixes: []string{"github.com/fasthttp/websocket"}, owners: []string{"internal/gateway", "internal/test"}, why: "sockets are the gateway's business"},
	{name: "fasthttp", prefixes: []string{"github.com/valyala/fasthttp"}, owners: []string{"internal/gateway", "internal/api", "internal/test"}, why: "fasthttp reuses buffers; only the two edges know where to copy"},
	{name: "jwt", prefixes: []string{"github.com/golang-jwt/"}, owners: []string{"internal/auth"}, why: "tokens are judged in one place"},
	{name: "argon2", prefixes: []string{"github.com/alexedwards/argon2id", "golang.org/x/crypto/argon2"}, owners: []string{"internal/auth"}, why: "hashing needs its bound on memory, which auth keeps"},
	{name: "yaml", prefixes: []string{"go.yaml.in/", "gopkg.in/yaml", "github.com/knadh/koanf"}, owners: []string{"internal/config", "internal/ops/stack", "internal/test"}, why: "configuration is read in one strict way"},
}

// forbidden are modules that nobody may import.
var forbidden = map[string]string{
	"github.com/stretchr/testify": "tests use the standard library and go-cmp: one way to assert",
	"github.com/pkg/errors":       "errors and fmt of the standard library wrap and join",
	"go.uber.org/mock":            "no generated mocks: an in-memory fake of a small port says more",
	"github.com/golang/mock":      "no generated mocks: an in-memory fake of a small port says more",
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
	maxFile     = 500
	maxTestFile = 1000
	maxMain     = 120
	maxPackage  = 2500 // lines of code: blank lines and comments are free
	maxParams   = 5
)
