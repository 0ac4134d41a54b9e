package suites;

import org.junit.jupiter.api.Test;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestDescriptor;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.PostDiscoveryFilter;

/** Leaves out the tests of Kafka's tools that have no cluster, as those of what their command lines may say: no broker of ours could fail them. */
public final class OfClusters implements PostDiscoveryFilter {
    @Override
    public FilterResult apply(TestDescriptor test) {
        boolean hasNone = test.getSource().filter(MethodSource.class::isInstance).map(MethodSource.class::cast)
            .filter(method -> method.getClassName().startsWith("org.apache.kafka.tools."))
            .filter(method -> method.getJavaMethod().isAnnotationPresent(Test.class)).isPresent();
        return FilterResult.includedIf(!hasNone);
    }
}
