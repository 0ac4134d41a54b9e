// Package kfake stands where franz-go's tests have their own imitation of a cluster, and is the cluster that runs at BOOTSTRAP.
// It has what those tests use of the imitation but for the ways to make a broker answer what a test wants: tests that use these
// cannot be run against a real one.
package kfake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is the cluster that runs, with topics and settings for one test.
type Cluster struct {
	cl      *kgo.Client
	adm     *kadm.Client
	topics  map[string]int32
	configs map[string]string
}

// Opt is what a test wants of its cluster.
type Opt func(*Cluster)

// NumBrokers is ignored: the cluster has as many as it has.
func NumBrokers(int) Opt { return func(*Cluster) {} }

// SeedTopics are there when the test begins.
func SeedTopics(partitions int32, topics ...string) Opt {
	return func(c *Cluster) {
		for _, topic := range topics {
			c.topics[topic] = partitions
		}
	}
}

// BrokerConfigs are in force at all brokers when the test begins.
func BrokerConfigs(configs map[string]string) Opt {
	return func(c *Cluster) {
		for name, value := range configs {
			c.configs[name] = value
		}
	}
}

// NewCluster makes topics and settings. Both are shared by all who use the cluster, so tests are run one at a time.
func NewCluster(opts ...Opt) (*Cluster, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap()...))
	if err != nil {
		return nil, err
	}
	c := &Cluster{cl, kadm.NewClient(cl), make(map[string]int32), make(map[string]string)}
	for _, opt := range opts {
		opt(c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.configure(ctx, kadm.SetConfig); err != nil {
		return nil, err
	}
	for topic, partitions := range c.topics {
		if _, err := c.adm.CreateTopic(ctx, partitions, -1, nil, topic); err != nil {
			return nil, fmt.Errorf("%s: %w", topic, err)
		}
	}
	return c, c.served(ctx)
}

// served waits until all brokers know the topics, and their leaders serve them: a client that is told otherwise asks again only
// after seconds, and tests do not wait so long.
func (c *Cluster) served(ctx context.Context) error {
	brokers, err := c.adm.ListBrokers(ctx)
	if err != nil || len(c.topics) == 0 {
		return err
	}
	request := kmsg.NewPtrMetadataRequest()
	for topic := range c.topics {
		wanted := kmsg.NewMetadataRequestTopic()
		wanted.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, wanted)
	}
	return until(ctx, func() (bool, error) {
		for _, id := range brokers.NodeIDs() {
			answer, err := request.RequestWith(ctx, c.cl.Broker(int(id)))
			if err != nil {
				return false, err
			}
			for _, topic := range answer.Topics {
				if topic.ErrorCode != 0 || slices.ContainsFunc(topic.Partitions, hasNoLeader) {
					return false, nil
				}
			}
		}
		ends, err := c.adm.ListEndOffsets(ctx, slices.Collect(maps.Keys(c.topics))...)
		return err == nil && ends.Error() == nil, nil
	})
}

func hasNoLeader(partition kmsg.MetadataResponseTopicPartition) bool {
	return partition.ErrorCode != 0 || partition.Leader < 0
}

// configure sets or unsets the settings, and waits until all brokers have them so.
func (c *Cluster) configure(ctx context.Context, op kadm.IncrementalOp) error {
	if len(c.configs) == 0 {
		return nil
	}
	var alter []kadm.AlterConfig
	for name, value := range c.configs {
		alter = append(alter, kadm.AlterConfig{Op: op, Name: name, Value: kadm.StringPtr(value)})
	}
	altered, err := c.adm.AlterBrokerConfigs(ctx, alter)
	if err != nil {
		return err
	}
	for _, one := range altered {
		if one.Err != nil {
			return fmt.Errorf("%v: %w: %s", c.configs, one.Err, one.ErrMessage)
		}
	}
	brokers, err := c.adm.ListBrokers(ctx)
	if err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		described, err := c.adm.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...)
		if err != nil {
			return false, err
		}
		for _, broker := range described {
			for _, config := range broker.Configs {
				_, ours := c.configs[config.Key]
				dynamic := config.Source == kmsg.ConfigSourceDynamicDefaultBrokerConfig
				if ours && dynamic != (op == kadm.SetConfig) {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// Close takes back what NewCluster made.
func (c *Cluster) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer c.adm.Close()
	var topics []string
	for topic := range c.topics {
		topics = append(topics, topic)
	}
	if len(topics) > 0 {
		if _, err := c.adm.DeleteTopics(ctx, topics...); err != nil {
			panic(err)
		}
	}
	if err := c.configure(ctx, kadm.DeleteConfig); err != nil {
		panic(err)
	}
}

// ListenAddrs are the brokers' addresses.
func (c *Cluster) ListenAddrs() []string { return bootstrap() }

func bootstrap() []string { return strings.Split(os.Getenv("BOOTSTRAP"), ",") }

// GroupInfo is a group at one moment.
type GroupInfo struct {
	State   string
	Members []GroupMember
	Commits map[string]map[int32]GroupCommit
}

// GroupMember is one of its members.
type GroupMember struct {
	MemberID   string
	InstanceID *string
	Assignment map[string][]int32
}

// GroupCommit is a committed offset.
type GroupCommit struct {
	Offset      int64
	LeaderEpoch int32
	Metadata    string
}

// NumAssigned is the number of partitions that a member has.
func (m *GroupMember) NumAssigned() int {
	assigned := 0
	for _, partitions := range m.Assignment {
		assigned += len(partitions)
	}
	return assigned
}

// NumAssigned is the number of partitions that all members have together.
func (g *GroupInfo) NumAssigned() int {
	assigned := 0
	for i := range g.Members {
		assigned += g.Members[i].NumAssigned()
	}
	return assigned
}

// GroupInfo describes a group of either protocol; nil where there is none.
func (c *Cluster) GroupInfo(group string) *GroupInfo {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info, err := c.describe(ctx, group)
	if err != nil {
		panic(err)
	}
	return info
}

func (c *Cluster) describe(ctx context.Context, group string) (*GroupInfo, error) {
	info, err := c.members(ctx, group)
	if info == nil || err != nil {
		return nil, err
	}
	offsets, err := c.adm.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	info.Commits = make(map[string]map[int32]GroupCommit)
	offsets.Each(func(o kadm.OffsetResponse) {
		if info.Commits[o.Topic] == nil {
			info.Commits[o.Topic] = make(map[int32]GroupCommit)
		}
		info.Commits[o.Topic][o.Partition] = GroupCommit{o.At, o.LeaderEpoch, o.Metadata}
	})
	return info, nil
}

func (c *Cluster) members(ctx context.Context, group string) (*GroupInfo, error) {
	consumer, err := c.adm.DescribeConsumerGroups(ctx, group)
	if err != nil {
		return nil, err
	}
	described := consumer[group]
	if described.Err == nil {
		info := &GroupInfo{State: described.State}
		for _, m := range described.Members {
			info.Members = append(info.Members, GroupMember{m.MemberID, m.InstanceID, assignment(m.Assignment)})
		}
		return info, nil
	}
	// It is not of the consumer protocol, or not there.
	if !errors.Is(described.Err, kerr.GroupIDNotFound) {
		return nil, described.Err
	}
	classic, err := c.adm.DescribeGroups(ctx, group)
	if err != nil {
		return nil, err
	}
	if errors.Is(classic[group].Err, kerr.GroupIDNotFound) || classic[group].State == "Dead" {
		return nil, nil
	}
	if err := classic[group].Err; err != nil {
		return nil, err
	}
	info := &GroupInfo{State: classic[group].State}
	for _, m := range classic[group].Members {
		member := GroupMember{m.MemberID, m.InstanceID, make(map[string][]int32)}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				member.Assignment[topic.Topic] = topic.Partitions
			}
		}
		info.Members = append(info.Members, member)
	}
	return info, nil
}

func assignment(topics kadm.TopicsSet) map[string][]int32 {
	named := make(map[string][]int32)
	for topic, partitions := range topics {
		for partition := range partitions {
			named[topic] = append(named[topic], partition)
		}
		slices.Sort(named[topic])
	}
	return named
}

// WaitGroupStable waits until a group is stable with so many members.
func (c *Cluster) WaitGroupStable(ctx context.Context, group string, members int) (*GroupInfo, error) {
	var info *GroupInfo
	err := until(ctx, func() (bool, error) {
		var err error
		info, err = c.describe(ctx, group)
		return info != nil && info.State == "Stable" && len(info.Members) == members, err
	})
	return info, err
}

func until(ctx context.Context, holds func() (bool, error)) error {
	for {
		held, err := holds()
		if held || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Fault would make a broker fail.
type Fault struct {
	Keys []kmsg.Key
	Err  error
	When func(kmsg.Request) bool
}

// Fault would make a broker fail.
func (c *Cluster) Fault(Fault) { panic("a broker cannot be told to fail") }

// ControlKey would answer in a broker's place.
func (c *Cluster) ControlKey(int16, func(kmsg.Request) (kmsg.Response, error, bool)) {
	panic("a broker cannot be told what to answer")
}
