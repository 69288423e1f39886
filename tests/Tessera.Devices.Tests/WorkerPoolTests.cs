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

    // A worker that answers a call while the caller is off its processor may be sent a permit for that same call when it has
    // parked already; it must not answer twice. More workers than processors make such moments frequent.
    [Fact]
    public void Late_wake_ups_do_not_repeat_a_body()
    {
        using var pool = new WorkerPool(Environment.ProcessorCount + 2);
        int* counts = stackalloc int[pool.Count];
        for (int call = 1; call <= 300; call++)
        {
            pool.Run(&Count, counts);
            if (call % 3 == 0)
            {
                Thread.Sleep(1);
            }

            for (int w = 0; w < pool.Count; w++)
            {
                Assert.Equal(call, counts[w]);
            }
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
