package suites;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestDescriptor;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.PostDiscoveryFilter;

/**
 * Leaves out the tests of Kafka's tools that have no cluster, as those of what their command lines may say, which no broker of ours could fail; and
 * those that the list, a file that the property `list` names, says to skip.
 */
public final class OfClusters implements PostDiscoveryFilter {
    private static final String SKIP = "skip ";

    private final Set<String> skipped;

    /** Reads the list. */
    public OfClusters() {
        try {
            skipped = Files.readAllLines(Path.of(System.getProperty("list"))).stream().filter(line -> line.startsWith(SKIP))
                .map(line -> line.substring(SKIP.length()).replaceFirst("\\(.*", "")).collect(Collectors.toSet());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public FilterResult apply(TestDescriptor test) {
        boolean isOut = test.getSource().filter(MethodSource.class::isInstance).map(MethodSource.class::cast)
            .filter(method -> hasNoCluster(method.getJavaMethod()) || skipped.contains(method.getClassName() + "::" + method.getMethodName())).isPresent();
        return FilterResult.includedIf(!isOut);
    }

    private static boolean hasNoCluster(Method method) {
        return method.getDeclaringClass().getName().startsWith("org.apache.kafka.tools.") && method.isAnnotationPresent(Test.class);
    }
}
