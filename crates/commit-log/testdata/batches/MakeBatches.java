// Batches as the Java client makes them, one file per codec: compile and run with kafka-clients (4.x) and its
// dependencies on the class path. Every batch has the records that `../../src/batch/tests/foreign.rs` expects.

import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;

public class MakeBatches {
    public static void main(String[] args) throws Exception {
        for (String name : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            Compression codec = Compression.of(name).build();
            MemoryRecordsBuilder builder = MemoryRecords.idempotentBuilder(
                ByteBuffer.allocate(4096), codec, 0L, 7L, (short) 1, 40);
            Header[] headers = {
                new RecordHeader("h", "1".getBytes()), new RecordHeader("h", "2".getBytes()), new RecordHeader("n", (byte[]) null)
            };
            builder.append(1_700_000_000_000L, "key".getBytes(), "value".getBytes(), headers);
            builder.append(1_700_000_000_005L, null, "x".repeat(1000).getBytes());
            builder.append(1_700_000_000_003L, "gone".getBytes(), null);
            builder.append(1_700_000_000_004L, new byte[0], new byte[0]);
            ByteBuffer bytes = builder.build().buffer();
            byte[] out = new byte[bytes.remaining()];
            bytes.get(out);
            Files.write(Path.of("java-" + name + ".bin"), out);
        }
    }
}
