using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>Work of a device recorded once, and run again as one launch.</summary>
/// <remarks>
/// What the recorded code reads from the host is frozen: addresses, shapes, numbers in arguments. What changes from run to run lies
/// in device memory and is uploaded before. Code that is recorded must have run before, so that its kernels are loaded and
/// its arenas large enough; it may neither upload, download nor wait.
/// </remarks>
public sealed unsafe class CudaGraph : RecordedWork
{
    private readonly CudaDevice _device;
    private nint _executable;

    private CudaGraph(CudaDevice device) => _device = device;

    /// <summary>Kernels, copies and fills that one launch runs.</summary>
    public int Nodes { get; private set; }

    /// <summary>Records what <paramref name="work"/> asks of the device; nothing of it runs.</summary>
    /// <exception cref="InvalidOperationException">The work does what a graph cannot hold.</exception>
    public static CudaGraph Capture(CudaDevice device, Action work)
    {
        var graph = new CudaGraph(device);
        nint recorded = graph.Record(work);
        try
        {
            graph.Instantiate(recorded);
            return graph;
        }
        finally
        {
            _ = CudaDriver.GraphDestroy(recorded);
        }
    }

    /// <summary>Records anew, for other addresses or shapes; cheap where the same kernels run in the same order.</summary>
    public void Update(Action work)
    {
        nint recorded = Record(work);
        try
        {
            CudaGraphUpdate result;
            CudaStatus status = CudaDriver.GraphExecUpdate(_executable, recorded, &result);
            if (status == CudaStatus.GraphExecUpdateFailure)
            {
                _ = CudaDriver.GraphExecDestroy(_executable);
                _executable = 0;
                Instantiate(recorded);
                return;
            }

            _device.Context.Check(status, "cuGraphExecUpdate");
            Count(recorded);
        }
        finally
        {
            _ = CudaDriver.GraphDestroy(recorded);
        }
    }

    /// <summary>Puts the recorded work into the device's stream.</summary>
    public override void Launch()
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _device.Context.MakeCurrent();
        _device.Context.Check(
            CudaDriver.GraphLaunch(_executable, _device.Stream.Handle), "cuGraphLaunch", $"a graph of {Nodes} nodes");
        if (CudaKernels.WaitsAfterEach)
        {
            _device.Context.Check(
                CudaDriver.StreamSynchronize(_device.Stream.Handle), "cuStreamSynchronize", $"a graph of {Nodes} nodes");
        }
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (_executable != 0 && !_device.Context.IsDisposed)
        {
            _device.Context.MakeCurrent();
            _ = CudaDriver.GraphExecDestroy(_executable);
        }

        _executable = 0;
    }

    private nint Record(Action work)
    {
        CudaStream stream = _device.Stream;
        stream.RefuseWhileCapturing("recording a graph");
        _device.Context.MakeCurrent();

        // Of this thread alone: another device may be at work on another thread.
        _device.Context.Check(CudaDriver.StreamBeginCapture(stream.Handle, CudaCaptureMode.ThreadLocal), "cuStreamBeginCapture");
        stream.IsCapturing = true;
        bool complete = false;
        CudaStatus status;
        nint recorded;
        try
        {
            work();
            complete = true;
        }
        finally
        {
            stream.IsCapturing = false;
            status = CudaDriver.StreamEndCapture(stream.Handle, out recorded);
            if (!complete && recorded != 0)
            {
                _ = CudaDriver.GraphDestroy(recorded);
            }
        }

        _device.Context.Check(status, "cuStreamEndCapture");
        return recorded;
    }

    private void Instantiate(nint recorded)
    {
        _device.Context.Check(CudaDriver.GraphInstantiate(out _executable, recorded, 0), "cuGraphInstantiate");
        Count(recorded);
    }

    private void Count(nint recorded)
    {
        nuint count = 0;
        _device.Context.Check(CudaDriver.GraphGetNodes(recorded, null, ref count), "cuGraphGetNodes");
        Nodes = (int)count;
    }
}
