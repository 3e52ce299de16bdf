package config

import "path/filepath"

// NoList returns a variable that empties a list of servers, CHAT_REDIS_ADDRS or CHAT_RABBITMQ_URLS, if a process's file in the folder has
// it: it would take the place of a server given alone. If none has, nothing is to be said of it: programs of earlier releases refuse
// variables that they don't know. What else is wrong with a file its process says.
func NoList(folder, variable string) map[string]string {
	for _, process := range []string{"api", "gateway", "worker"} {
		var f struct {
			Redis    Redis    `yaml:"redis"`
			RabbitMQ RabbitMQ `yaml:"rabbitmq"`
		}
		_ = Load(filepath.Join(folder, process+".yaml"), &f, Environ(nil))
		if variable == "CHAT_REDIS_ADDRS" && len(f.Redis.Addrs) > 0 || variable == "CHAT_RABBITMQ_URLS" && len(f.RabbitMQ.URLs) > 0 {
			return map[string]string{variable: ""}
		}
	}
	return nil
}
