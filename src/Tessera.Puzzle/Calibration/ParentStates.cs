using System.Globalization;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Runs.Jobs;
using Tessera.Tensors;

namespace Tessera.Puzzle.Calibration;

/// <summary>
/// The parent's residual stream at every depth over calibration batches, in files of a stage: depth l is what layer l sees, the last is
/// behind all layers. Each depth is a job that needs the one before, so that one layer and one batch are in memory at a time.
/// </summary>
/// <remarks>
/// States have the bits of <see cref="Decoder.Forward"/>, unless files in bf16 are asked for: each layer then begins with the rounded
/// stream, as on a device that computes in bf16. For distillation the stream between the halves and the channels'
/// contributions are kept as well. Everything can be made again, and is deleted when nothing needs it any more.
/// </remarks>
public sealed class ParentStates : IDisposable
{
    private const string Channels = "channels";
    private readonly Device _device;
    private readonly JobFolder _jobs;
    private readonly string _folder;
    private readonly bool _forDistillation;
    private readonly DType _stored;
    private readonly Dictionary<string, StateFile> _open = new(StringComparer.Ordinal);

    // Hashes of files that this process wrote or has read through: a file of gigabytes is not hashed again when it is opened again.
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>States in the folder <c>states</c> beside a folder of jobs.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="parent">The model, in f32.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="jobs">The stage's jobs.</param>
    /// <param name="forDistillation">Whether streams between the halves and channel contributions are wanted.</param>
    /// <param name="stored">How files hold states: f32, or bf16 in half the room. A device that computes in bf16 has bf16 files.</param>
    public ParentStates(
        Device device, ModelParts parent, CalibrationSteps steps, JobFolder jobs, bool forDistillation, DType stored = DType.F32)
    {
        (_device, Parent, Steps, _jobs, _forDistillation) = (device, parent, steps, jobs, forDistillation);
        _stored = device.ActivationType == DType.F32 ? stored : device.ActivationType;
        _folder = Path.Combine(Path.GetDirectoryName(jobs.FullPath)!, "states");
        steps.Prepare(parent);
        Plan = [.. Enumerable.Range(0, parent.LayerCount + 1).Select(depth => new Job(
            JobOf(depth), depth == 0 ? [] : [JobOf(depth - 1)], () => Compute(depth)) { IsWanted = false })];
    }

    /// <summary>The model the states come from.</summary>
    public ModelParts Parent { get; }

    /// <summary>The batches.</summary>
    public CalibrationSteps Steps { get; }

    /// <summary>A job for every depth; none is wanted for itself.</summary>
    public IReadOnlyList<Job> Plan { get; }

    /// <summary>Name of the job that makes a depth.</summary>
    public static string JobOf(int depth) => string.Create(CultureInfo.InvariantCulture, $"states.{depth:D3}");

    /// <summary>The jobs that what happens in a layer needs: its input, and its output with what lies between.</summary>
    public static IReadOnlyList<string> JobsOfLayer(int layer) => [JobOf(layer), JobOf(layer + 1)];

    /// <summary>The stream at a depth, [tokens, hidden], read into an arena.</summary>
    /// <param name="arena">Takes the states.</param>
    /// <param name="depth">Layers in front.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="device">Whose arena it is, where that is not the device of the states, as in planning.</param>
    /// <exception cref="DamagedJobException">The file is not what was written.</exception>
    public Tensor Read(Arena arena, int depth, int batch, Device? device = null) =>
        File(depth, StreamPath(depth)).Read(device ?? _device, arena, batch);

    /// <summary>The stream between the halves of a layer, read into an arena.</summary>
    /// <exception cref="DamagedJobException">The file is not what was written.</exception>
    public Tensor ReadMiddle(Arena arena, int layer, int batch, Device? device = null) =>
        File(layer + 1, MiddlePath(layer)).Read(device ?? _device, arena, batch);

    /// <summary>What each FFN channel of a layer contributes; empty where the layer has no SwiGLU.</summary>
    public double[] ChannelScores(int layer) => _jobs.Read(JobOf(layer + 1)).Numbers(Channels);

    /// <summary>Deletes the files; the jobs count as not done.</summary>
    public void Delete()
    {
        Close();
        foreach (var job in Plan)
        {
            _jobs.Discard(job.Name);
        }

        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Another process deletes them as well, or keeps one open: what stays takes room and harms nothing.
        }
    }

    /// <summary>Does the jobs of this plan one after the other, for a caller that shares them with nobody.</summary>
    public void ComputeAll() => new JobBoard(_jobs).Run([.. Plan.Select(job => job with { IsWanted = true })], _ => { });

    /// <inheritdoc />
    public void Dispose() => Close();

    private string StreamPath(int depth) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"depth{depth:D3}.bin"));

    private string MiddlePath(int layer) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"middle{layer:D3}.bin"));

    private void Close()
    {
        foreach (var file in _open.Values)
        {
            file.Dispose();
        }

        _open.Clear();
    }

    private StateFile File(int depth, string path)
    {
        if (!_open.TryGetValue(path, out var file))
        {
            string job = JobOf(depth);
            var described = _jobs.Read(job).Files.FirstOrDefault(found => _jobs.PathOf(found) == path)
                ?? throw new DamagedJobException(_jobs, job, $"{path}: job '{job}' does not say that it left this file");
            path = _known.Contains(path + described.Sha256) && System.IO.File.Exists(path) ? path : _jobs.Verified(job, described);
            _known.Add(path + described.Sha256);
            file = StateFile.Open(path, Steps, Parent.Configuration.HiddenSize, _stored);
            _open.Add(path, file);
        }

        return file;
    }

    private JobRecord Compute(int depth)
    {
        // A depth that is done again replaces the file that this process may have open.
        Close();
        Directory.CreateDirectory(_folder);
        return depth == 0 ? Embed() : RunLayer(depth - 1);
    }

    private JobRecord Embed()
    {
        using var weights = _device.CreateArena("token table");
        using var work = _device.CreateArena("activations");
        var table = Parent.Embedding(weights);
        Write(StreamPath(0), add =>
        {
            for (int i = 0; i < Steps.Count; i++)
            {
                work.Reset();
                add(Embedded(new Executor(_device, work, null), Steps.Steps[i], table), work.Memory);
            }
        });
        return new JobRecord([Describe(StreamPath(0))], []);
    }

    private static unsafe Tensor Embedded(Executor executor, StepBatch step, Parameter table) => executor.Embed(step.Ids, step.Tokens, table);

    private JobRecord RunLayer(int layer)
    {
        using var weights = _device.CreateArena("parent layer");
        using var work = _device.CreateArena("activations");
        var blocks = Parent.Layer(layer, weights);
        if (!_forDistillation)
        {
            Write(StreamPath(layer + 1), add => ForEachBatch(work, layer, (executor, step, input) =>
                add(Decoder.LayerOutput(executor, Parent.Configuration, blocks, step, input), work.Memory)));
            return new JobRecord([Describe(StreamPath(layer + 1))], []);
        }

        using var contribution = new ChannelContribution(_device, blocks.FeedForward as SwiGluBlock, Parent.Configuration);
        Write(MiddlePath(layer), addMiddle => Write(StreamPath(layer + 1), add => ForEachBatch(work, layer, (executor, step, input) =>
        {
            var middle = LayerHalves.Half(executor, Parent.Configuration, step, blocks.Mixer, input);
            addMiddle(middle, work.Memory);
            contribution.Add(executor, middle);
            add(LayerHalves.Half(executor, Parent.Configuration, step, blocks.FeedForward, middle), work.Memory);
        })));
        return new JobRecord(
            [Describe(StreamPath(layer + 1)), Describe(MiddlePath(layer))],
            [KeyValuePair.Create(Channels, contribution.Scores())]);
    }

    private void ForEachBatch(Arena work, int depth, Action<Executor, StepBatch, Tensor> run)
    {
        for (int i = 0; i < Steps.Count; i++)
        {
            work.Reset();
            run(new Executor(_device, work, null), Steps.Steps[i], Read(work, depth, i));
        }
    }

    private JobFile Describe(string path)
    {
        var described = _jobs.Describe(path);
        _known.Add(path + described.Sha256);
        return described;
    }

    private void Write(string path, Action<Action<Tensor, DeviceMemory>> fill) =>
        StateFile.Write(path, Steps, Parent.Configuration.HiddenSize, _stored, _device, fill);
}
