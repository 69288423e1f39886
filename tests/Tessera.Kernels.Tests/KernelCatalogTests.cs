using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels.Tests;

public sealed class KernelCatalogTests : IDisposable
{
    private readonly CpuDevice _device = new(1);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Every_name_has_rows_and_every_row_a_name_of_its_own_shape_and_type()
    {
        BenchCase[] cases = [.. KernelCatalog.Cases(_device)];
        Assert.Equal(KernelCatalog.Names.Order(), cases.Select(bench => bench.Name).Distinct().Order());
        Assert.Empty(cases.GroupBy(bench => (bench.Name, bench.Shape, bench.DataType)).Where(group => group.Count() > 1).Select(group => group.Key));
        // Random numbers cost arithmetic that no ceiling is made of, the start of workers none at all: their figure is the time of a call.
        Assert.All(cases, bench => Assert.Equal(bench.Name is "fork-join" or "draw", bench.Ceiling == BenchCeiling.None));
        Assert.All(
            cases.Where(bench => bench.Name == "gemm"),
            bench => Assert.Equal(
                bench.DataType is "int8" or "int4" ? BenchCeiling.Int8DotProduct : BenchCeiling.FusedMultiplyAdd, bench.Ceiling));
        Assert.All(cases.Where(bench => bench.Name == "gemv"), bench => Assert.Equal(BenchCeiling.StreamRead, bench.Ceiling));
    }

    [Theory]
    [InlineData("gemm", "gemm", 40)]
    [InlineData("GEMV bf16", "gemv", 4)]
    [InlineData("row", "row", 18)]
    [InlineData("rmsnorm", "row", 5)]
    [InlineData("3072x3072x3072", "gemm", 1)]
    [InlineData("fork-join", "fork-join", 2)]
    public void A_filter_finds_by_name_operation_shape_and_type(string filter, string name, int atLeast)
    {
        BenchCase[] cases = [.. KernelCatalog.Cases(_device, filter)];
        Assert.InRange(cases.Length, atLeast, int.MaxValue);
        Assert.All(cases, bench => Assert.Equal(name, bench.Name));
    }

    [Fact]
    public void A_filter_needs_all_of_its_words()
    {
        Assert.Empty(KernelCatalog.Cases(_device, "gemm rmsnorm"));
        BenchCase[] cases = [.. KernelCatalog.Cases(_device, "bf16 linear 64x768")];
        Assert.NotEmpty(cases);
        Assert.All(cases, bench => Assert.Equal(("gemm", "bf16"), (bench.Name, bench.DataType)));
    }

    [Fact]
    public void Row_kernels_touch_far_more_than_the_caches_hold()
    {
        const double Bytes = 128 << 20;
        Assert.All(KernelCatalog.Cases(_device, "row"), bench => Assert.InRange(bench.Work, Bytes, 16 * Bytes));
    }

    [Fact]
    public void Listing_the_cases_takes_no_memory()
    {
        long before = Arena.LiveBytes;
        _ = KernelCatalog.Cases(_device).Count();
        Assert.Equal(before, Arena.LiveBytes);
    }
}
