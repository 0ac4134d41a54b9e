// The franz-go client. usage: go run . BOOTSTRAP TOPIC
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const baseTime = 1_700_000_000_000

var (
	values  = [][]byte{bytes.Repeat([]byte("a"), 10), {}, nil, bytes.Repeat([]byte{0, 255}, 1000)}
	headers = []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}}
	codecs  = []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	}
)

func check(holds bool, what ...any) {
	if !holds {
		fmt.Fprintln(os.Stderr, what...)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err == nil, err)
	return value
}

// member joins the group of the topic.
func member(seeds kgo.Opt, topic string) *kgo.Client {
	return must(kgo.NewClient(seeds, kgo.ConsumerGroup(topic+"-group"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
}

// subscribed lets two members share the partitions; the one that stays takes over, commits, and its successor goes on from
// there.
func subscribed(ctx context.Context, seeds kgo.Opt, admin *kadm.Client, topic string, count int) {
	group := topic + "-group"
	assigned := func() (members int, partitions int) {
		described := must(admin.DescribeGroups(ctx, group))[group]
		check(described.Err == nil, described.Err)
		described.AssignedPartitions().Each(func(string, int32) { partitions++ })
		return len(described.Members), partitions
	}
	until := func(what string, members int) {
		for {
			if has, partitions := assigned(); has == members && partitions == 3 {
				return
			}
			check(ctx.Err() == nil, what)
			time.Sleep(20 * time.Millisecond)
		}
	}
	first := member(seeds, topic)
	for read := 0; read < count; {
		fetches := first.PollFetches(ctx)
		check(fetches.Err() == nil, fetches.Err())
		read += fetches.NumRecords()
	}
	second := member(seeds, topic)
	until("two members that share", 2)
	first.Close()
	until("one member that has all", 1)
	check(second.CommitRecords(ctx, &kgo.Record{Topic: topic, Partition: 1, Offset: 599, LeaderEpoch: -1}) == nil, "commit")
	second.Close()
	third := member(seeds, topic)
	for {
		records := third.PollFetches(ctx).Records()
		if len(records) > 0 {
			check(records[0].Offset == 600, "the successor began at", records[0].Offset)
			break
		}
		check(ctx.Err() == nil, "nothing after the commit")
	}
	third.Close()
	_, err := admin.DeleteGroup(ctx, group)
	check(err == nil, err)
}

// leaderKilled lets the leader die while records are on their way: all are there once, in order, and no more of them.
func leaderKilled(ctx context.Context, seeds kgo.Opt, admin *kadm.Client, topic string) {
	must(admin.CreateTopic(ctx, 1, 3, map[string]*string{"min.insync.replicas": kadm.StringPtr("2")}, topic))
	producer := must(kgo.NewClient(seeds, kgo.DefaultProduceTopic(topic)))
	acknowledged := make(chan int64, 100_000)
	killed := make(chan error, 1)
	sent, count, begun := 0, 0, false
	for enough := -1; enough < 0 || count < enough; {
		for range 10 {
			producer.Produce(ctx, kgo.StringRecord(strconv.Itoa(sent)), func(record *kgo.Record, err error) {
				check(err == nil, err)
				acknowledged <- record.Offset
			})
			sent++
		}
		time.Sleep(5 * time.Millisecond) // the pace of the load
		for ; len(acknowledged) > 0; count++ {
			check(<-acknowledged == int64(count), "offset of acknowledgement", count)
		}
		if !begun && count >= 500 {
			begun = true
			killer := exec.Command(os.Getenv("KILL_LEADER"), topic, "0")
			killer.Stdout, killer.Stderr = os.Stdout, os.Stderr
			go func() { killed <- killer.Run() }()
		}
		if enough < 0 && len(killed) > 0 {
			check(<-killed == nil, "the leader could not be killed")
			enough = sent + 500
		}
	}
	check(producer.Flush(ctx) == nil, "flush")
	for ; count < sent; count++ {
		check(<-acknowledged == int64(count), "offset of acknowledgement", count)
	}
	producer.Close()
	consumer := must(kgo.NewClient(seeds, kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}})))
	for next := 0; next < sent; {
		fetches := consumer.PollFetches(ctx)
		check(fetches.Err() == nil, fetches.Err())
		fetches.EachRecord(func(got *kgo.Record) {
			check(string(got.Value) == strconv.Itoa(next), "record at", next)
			next++
		})
	}
	consumer.Close()
	end, _ := must(admin.ListEndOffsets(ctx, topic)).Lookup(topic, 0)
	check(end.Offset == int64(sent), "end", end)
	must(admin.DeleteTopics(ctx, topic))
}

func main() {
	seeds, topic := kgo.SeedBrokers(strings.Split(os.Args[1], ",")...), os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := must(kgo.NewClient(seeds))
	admin := kadm.NewClient(client)
	must(admin.CreateTopic(ctx, 3, 3, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, topic))

	var sent []*kgo.Record
	for number, codec := range codecs {
		options := []kgo.Opt{seeds, kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerLinger(20 * time.Millisecond)}
		if number%2 == 1 {
			options = append(options, kgo.DisableIdempotentWrite())
		}
		producer := must(kgo.NewClient(options...))
		batch := make([]*kgo.Record, 200)
		for k := range batch {
			batch[k] = &kgo.Record{Topic: topic, Partition: 1, Value: values[k%4], Headers: headers,
				Timestamp: time.UnixMilli(int64(baseTime + number*1000 + k))}
			if k%4 != 0 {
				batch[k].Key = fmt.Appendf(nil, "key-%d", k)
			}
		}
		check(producer.ProduceSync(ctx, batch...).FirstErr() == nil, "produce")
		sent = append(sent, batch...)
		producer.Close()
	}

	for _, start := range []int{0, 1, 137, 555, len(sent) - 1} {
		consumer := must(kgo.NewClient(seeds, kgo.ConsumePartitions(
			map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().At(int64(start))}})))
		for next := start; next < len(sent); {
			fetches := consumer.PollFetches(ctx)
			check(fetches.Err() == nil, fetches.Err())
			fetches.EachRecord(func(got *kgo.Record) {
				wanted := sent[next]
				check(got.Offset == int64(next), "offset", got.Offset, "instead of", next)
				check(bytes.Equal(got.Key, wanted.Key) && (got.Key == nil) == (wanted.Key == nil), "key at", next)
				check(bytes.Equal(got.Value, wanted.Value) && (got.Value == nil) == (wanted.Value == nil), "value at", next)
				check(got.Timestamp.Equal(wanted.Timestamp), "timestamp at", next)
				check(len(got.Headers) == 2 && got.Headers[1].Key == "h" && string(got.Headers[1].Value) == "2", "headers at", next)
				next++
			})
		}
		consumer.Close()
	}

	subscribed(ctx, seeds, admin, topic, len(sent))
	ends := must(admin.ListEndOffsets(ctx, topic))
	end, _ := ends.Lookup(topic, 1)
	check(end.Offset == int64(len(sent)), "end", end)
	after, _ := must(admin.ListOffsetsAfterMilli(ctx, baseTime+2*1000+50, topic)).Lookup(topic, 1)
	check(after.Offset == 450, "by timestamp", after)
	must(admin.CreatePartitions(ctx, 2, topic))
	// A change is known to one broker before the others.
	for len(must(admin.ListTopics(ctx, topic))[topic].Partitions) != 5 {
		check(ctx.Err() == nil, "partitions")
		time.Sleep(20 * time.Millisecond)
	}
	must(admin.DeleteTopics(ctx, topic))
	if os.Getenv("KILL_LEADER") != "" {
		leaderKilled(ctx, seeds, admin, topic+"-killed")
	}
	fmt.Println("ok")
}
