using Tessera.Devices;

namespace Tessera.Devices.Tests;

public unsafe class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Every_worker_runs_every_body_once(int workers)
    {
        using var pool = new WorkerPool(workers);
        int* counts = stackalloc int[workers];
        for (int i = 0; i < 500; i++)
        {
            pool.Run(&Count, counts);
        }

        for (int w = 0; w < workers; w++)
        {
            Assert.Equal(500, counts[w]);
        }
    }

    [Theory]
    [InlineData(0, 3, 1)]
    [InlineData(17, 4, 1)]
    [InlineData(100, 3, 16)]
    [InlineData(5, 8, 16)]
    public void Shares_cover_the_range_in_order_without_overlap(int count, int workers, int grain)
    {
        int next = 0;
        for (int w = 0; w < workers; w++)
        {
            var (start, end) = WorkerPool.Share(count, w, workers, grain);
            Assert.Equal(next, start);
            Assert.True(end >= start);
            Assert.True(end == count || end % grain == 0);
            next = end;
        }

        Assert.Equal(count, next);
    }

    private static void Count(void* context, int worker, int workers) => ((int*)context)[worker]++;
}
