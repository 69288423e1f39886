using Tessera.TestSupport;

namespace Tessera.Devices.Tests;

public sealed class WorkRecorderTests
{
    [Fact]
    public void Work_runs_as_it_is_once_is_recorded_the_second_time_and_launched_from_then_on()
    {
        using var device = new GuardedDevice(1, records: true);
        using var recorder = new WorkRecorder<string, int>(device, 4);
        int calls = 0;
        for (int i = 0; i < 5; i++)
        {
            // A launch gives the result of the recording; the recording of this device runs its work once more a launch.
            int result = recorder.Run("step", () => ++calls);
            Assert.Equal(i == 0 ? 1 : 2, result);
            Assert.Equal((i == 0 ? 0 : 1, (long)i), (recorder.Recordings, recorder.Launches));
        }

        Assert.Equal(1 + 1 + 4, calls);
        Assert.Equal(1, recorder.Count);
    }

    [Fact]
    public void The_key_that_was_not_used_for_longest_makes_room_and_is_recorded_anew()
    {
        using var device = new GuardedDevice(1, records: true);
        using var recorder = new WorkRecorder<int, int>(device, 2);
        foreach (int key in (int[])[1, 2, 1, 2, 1, 3])
        {
            Assert.Equal(key, recorder.Run(key, () => key));
        }

        Assert.Equal((2, 2L), (recorder.Count, recorder.Recordings));
        Assert.Equal(1, recorder.Run(1, () => 1));
        Assert.Equal(2, recorder.Recordings);

        // 2 was dropped: met for the first time again, and in place of 3.
        Assert.Equal(2, recorder.Run(2, () => 2));
        Assert.Equal(2, recorder.Recordings);
        Assert.Equal(2, recorder.Run(2, () => 2));
        Assert.Equal(3, recorder.Recordings);
        recorder.Clear();
        Assert.Equal(0, recorder.Count);
        Assert.Equal(9, recorder.Run(1, () => 9));
    }

    [Theory]
    [InlineData("processor")]
    [InlineData("planning")]
    [InlineData("eager")]
    public void Where_nothing_is_recorded_work_runs_as_it_is(string kind)
    {
        using var guarded = new GuardedDevice(1, records: true);
        using var processor = new CpuDevice(1);
        using var planning = processor.ForPlanning();
        var device = kind switch { "eager" => guarded, "planning" => planning, _ => (Device)processor };
        using var recorder = new WorkRecorder<int, int>(device, 2, records: kind != "eager");
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(i, recorder.Run(7, () => i));
        }

        Assert.Equal((0, 0L, 0L), (recorder.Count, recorder.Recordings, recorder.Launches));
        Assert.Equal(kind == "eager", device.RecordsWork);
        if (kind != "eager")
        {
            Assert.Throws<NotSupportedException>(() => device.Record(() => { }));
        }
    }

    [Fact]
    public void What_cannot_be_recorded_is_refused_and_can_be_tried_again()
    {
        using var device = new GuardedDevice(1, records: true);
        using var arena = device.CreateArena("recorded");
        nint there = arena.AllocateZeroed(4);
        using var recorder = new WorkRecorder<int, int>(device, 2);
        int Uploads()
        {
            device.Upload<int>([1], there);
            return 1;
        }

        Assert.Equal(1, recorder.Run(0, Uploads));
        Assert.Throws<InvalidOperationException>(() => recorder.Run(0, Uploads));
        Assert.Equal(0, recorder.Recordings);
        device.Upload<int>([5], there);
        Assert.Equal(2, recorder.Run(0, () => 2));
        Assert.Equal(1, recorder.Recordings);
    }
}
