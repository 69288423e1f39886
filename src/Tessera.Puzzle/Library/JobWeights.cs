using Tessera.Devices;
using Tessera.Models.Safetensors;
using Tessera.Runs.Jobs;
using Tessera.Tensors;

namespace Tessera.Puzzle.Library;

/// <summary>Weights that jobs of a library leave: one safetensors file a job in the folder <c>weights</c> beside the jobs'.</summary>
/// <param name="jobs">The jobs.</param>
internal sealed class JobWeights(JobFolder jobs)
{
    private readonly HashSet<string> _verified = new(StringComparer.Ordinal);

    /// <summary>Writes a job's file.</summary>
    /// <param name="job">Its name.</param>
    /// <param name="parameters">What to write.</param>
    /// <param name="matrices">Type that matrices are stored in; the rest is stored as it is.</param>
    /// <exception cref="IOException">The disk is full; one sentence.</exception>
    public JobFile Write(string job, IEnumerable<Parameter> parameters, DType matrices = DType.F32)
    {
        string folder = Path.Combine(Path.GetDirectoryName(jobs.FullPath)!, "weights");
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, job + ".safetensors");
        SafetensorsWriter.Write(
            path,
            [.. parameters.Select(p => new TensorToWrite(p.Name, p.Decays ? matrices : p.Type, [p.Rows, p.Columns], p.Address) { Source = p.Type, Memory = p.Memory })]);
        return jobs.Describe(path);
    }

    /// <summary>Fills parameters from a job's file, by name; the file is held against its record when it is first met.</summary>
    /// <exception cref="DamagedJobException">The file was changed since.</exception>
    public void Read(string job, JobFile described, IEnumerable<Parameter> parameters)
    {
        if (_verified.Add(job))
        {
            Verify(job, described);
        }

        using var file = SafetensorsCheckpoint.Open(jobs.PathOf(described));
        using var converter = new CpuDevice(1);
        foreach (var parameter in parameters)
        {
            file.CopyTo(
                converter, parameter.Name, parameter.Type, parameter.Memory, parameter.Address, parameter.Rows, parameter.Columns);
            parameter.MarkChanged();
        }
    }

    private void Verify(string job, JobFile file)
    {
        try
        {
            jobs.Verified(job, file);
        }
        catch (DamagedJobException)
        {
            _verified.Remove(job);
            throw;
        }
    }
}
