package migrations

import (
	"time"

	"gorm.io/gorm"
)

// initial makes the tables of the first version. The structs are frozen: they
// say what the tables were then, whatever the models say today.
func initial(db *gorm.DB) error {
	type Stack struct {
		ID                        string `gorm:"primaryKey;size:36"`
		Name                      string `gorm:"size:64;not null"`
		Arn                       string `gorm:"size:255"`
		Region                    string `gorm:"size:64"`
		VpcID                     string `gorm:"size:64"`
		ServiceRoleArn            string
		DefaultInstanceProfileArn string
		DefaultOs                 string `gorm:"size:128"`
		HostnameTheme             string `gorm:"size:64"`
		DefaultAvailabilityZone   string `gorm:"size:64"`
		DefaultSubnetID           string `gorm:"size:64"`
		CustomJSON                string
		ConfigurationManager      string
		ChefConfiguration         string
		UseCustomCookbooks        bool
		CustomCookbooksSource     string
		UseOpsworksSecurityGroups bool
		DefaultSSHKeyName         string `gorm:"size:128"`
		DefaultRootDeviceType     string `gorm:"size:32"`
		AgentVersion              string `gorm:"size:64"`
		Attributes                string
		Tags                      string
		Provider                  string    `gorm:"size:32"`
		Version                   int64     `gorm:"not null;default:0"`
		CreatedAt                 time.Time `gorm:"not null"`
		UpdatedAt                 time.Time `gorm:"not null"`
	}
	type Layer struct {
		ID                          string `gorm:"primaryKey;size:36"`
		StackID                     string `gorm:"size:36;not null;uniqueIndex:layer_name;uniqueIndex:layer_shortname"`
		Arn                         string `gorm:"size:255"`
		Type                        string `gorm:"size:32;not null"`
		Name                        string `gorm:"size:32;not null;uniqueIndex:layer_name"`
		Shortname                   string `gorm:"size:32;not null;uniqueIndex:layer_shortname"`
		Attributes                  string
		CloudWatchLogsConfiguration string
		CustomInstanceProfileArn    string
		CustomJSON                  string
		CustomSecurityGroupIDs      string
		DefaultSecurityGroupNames   string
		Packages                    string
		VolumeConfigurations        string
		EnableAutoHealing           bool
		AutoAssignElasticIPs        bool
		AutoAssignPublicIPs         bool
		CustomRecipes               string
		InstallUpdatesOnBoot        bool
		UseEbsOptimizedInstances    bool
		Shutdown                    string
		Tags                        string
		Position                    int       `gorm:"not null;default:0"`
		CreatedAt                   time.Time `gorm:"not null"`
		UpdatedAt                   time.Time `gorm:"not null"`
	}
	type Instance struct {
		ID                       string `gorm:"primaryKey;size:36"`
		StackID                  string `gorm:"size:36;not null;uniqueIndex:instance_hostname;index:instance_stack_status"`
		LayerIDs                 string
		Hostname                 string `gorm:"size:63;not null;uniqueIndex:instance_hostname"`
		Status                   string `gorm:"size:32;not null;index:instance_stack_status;index"`
		Arn                      string `gorm:"size:255"`
		AgentVersion             string `gorm:"size:64"`
		AmiID                    string `gorm:"size:64"`
		Architecture             string `gorm:"size:16"`
		AutoScalingType          string `gorm:"size:16"`
		AvailabilityZone         string `gorm:"size:64"`
		BlockDeviceMappings      string
		EbsOptimized             bool
		Ec2InstanceID            string `gorm:"size:64"`
		EcsClusterArn            string
		EcsContainerInstanceArn  string
		ElasticIP                string `gorm:"size:45"`
		InfrastructureClass      string `gorm:"size:16"`
		InstallUpdatesOnBoot     bool
		InstanceProfileArn       string
		InstanceType             string `gorm:"size:64"`
		LastServiceErrorID       string `gorm:"size:36"`
		Os                       string `gorm:"size:128"`
		Platform                 string `gorm:"size:32"`
		PrivateDNS               string `gorm:"size:255"`
		PrivateIP                string `gorm:"size:45"`
		PublicDNS                string `gorm:"size:255"`
		PublicIP                 string `gorm:"size:45"`
		RegisteredBy             string
		ReportedAgentVersion     string `gorm:"size:64"`
		ReportedOs               string
		RootDeviceType           string `gorm:"size:32"`
		RootDeviceVolumeID       string `gorm:"size:64"`
		SecurityGroupIDs         string
		SSHHostDsaKeyFingerprint string    `gorm:"size:128"`
		SSHHostRsaKeyFingerprint string    `gorm:"size:128"`
		SSHKeyName               string    `gorm:"size:128"`
		SubnetID                 string    `gorm:"size:64"`
		Tenancy                  string    `gorm:"size:16"`
		VirtualizationType       string    `gorm:"size:16"`
		StatusSince              time.Time `gorm:"not null"`
		StatusCause              string
		StatusReason             string
		StatusDeadline           *time.Time
		ForceStop                bool
		WasOnline                bool
		SetupAt                  *time.Time
		AgentKey                 []byte
		AgentSeenAt              *time.Time `gorm:"index"`
		BootID                   string     `gorm:"size:64"`
		CreatedAt                time.Time  `gorm:"not null"`
		UpdatedAt                time.Time  `gorm:"not null"`
	}
	type InstanceLayer struct {
		InstanceID string `gorm:"primaryKey;size:36"`
		LayerID    string `gorm:"primaryKey;size:36;index"`
		StackID    string `gorm:"size:36;not null;index"`
		Position   int    `gorm:"not null"`
	}
	type ServiceError struct {
		ID         string    `gorm:"primaryKey;size:36"`
		StackID    string    `gorm:"size:36;not null;index"`
		InstanceID string    `gorm:"size:36;index"`
		Type       string    `gorm:"size:64;not null"`
		Message    string    `gorm:"not null"`
		CreatedAt  time.Time `gorm:"not null"`
	}
	type App struct {
		ID               string `gorm:"primaryKey;size:36"`
		StackID          string `gorm:"size:36;not null;uniqueIndex:app_name;uniqueIndex:app_shortname"`
		Name             string `gorm:"size:255;not null;uniqueIndex:app_name"`
		Shortname        string `gorm:"size:64;not null;uniqueIndex:app_shortname"`
		Description      string
		Type             string `gorm:"size:32;not null"`
		AppSource        string
		DataSources      string
		Domains          string
		EnableSsl        bool
		SslConfiguration string
		Attributes       string
		Environment      string
		CreatedAt        time.Time `gorm:"not null"`
		UpdatedAt        time.Time `gorm:"not null"`
	}
	type Deployment struct {
		ID          string `gorm:"primaryKey;size:36"`
		Number      int64  `gorm:"not null;uniqueIndex:deployment_number,priority:2"`
		StackID     string `gorm:"size:36;not null;uniqueIndex:deployment_number,priority:1;index:deployment_stack_created"`
		AppID       string `gorm:"size:36;index"`
		Command     string
		CommandName string `gorm:"size:32;not null"`
		Comment     string
		CustomJSON  string
		IamUserArn  string
		UserID      string `gorm:"size:36"`
		Cause       string
		Status      string `gorm:"size:16;not null;index"`
		Commands    int    `gorm:"not null"`
		DryRun      bool
		CreatedAt   time.Time `gorm:"not null;index:deployment_stack_created"`
		CompletedAt *time.Time
	}
	type Command struct {
		ID             string `gorm:"primaryKey;size:36"`
		Number         int64  `gorm:"not null;uniqueIndex;index:command_instance_status,priority:3"`
		DeploymentID   string `gorm:"size:36;not null;index:command_deployment_status"`
		StackID        string `gorm:"size:36;not null"`
		InstanceID     string `gorm:"size:36;not null;index:command_instance_status,priority:1;uniqueIndex:command_active,where:status = 'sent' OR status = 'running'"`
		Hostname       string `gorm:"size:63"`
		Type           string `gorm:"size:32;not null"`
		Status         string `gorm:"size:16;not null;index:command_deployment_status;index:command_instance_status,priority:2"`
		RunList        string
		TimeoutSeconds int `gorm:"not null"`
		Attempt        int `gorm:"not null;default:0"`
		LeaseUntil     *time.Time
		Deadline       *time.Time `gorm:"index:command_deadline,where:deadline IS NOT NULL"`
		ExitCode       *int
		Message        string
		CancelReason   string
		LogLastSeq     int64     `gorm:"not null;default:0"`
		CreatedAt      time.Time `gorm:"not null"`
		AcknowledgedAt *time.Time
		StartedAt      *time.Time
		CompletedAt    *time.Time
	}
	type Content struct {
		Digest    string `gorm:"primaryKey;size:80"`
		Data      []byte
		CreatedAt time.Time `gorm:"not null;index"`
	}
	type LogChunk struct {
		CommandID string    `gorm:"primaryKey;size:36"`
		Seq       int64     `gorm:"primaryKey;autoIncrement:false"`
		Offset    int64     `gorm:"not null"`
		Bytes     int       `gorm:"not null"`
		FirstLine int64     `gorm:"not null"`
		Lines     int       `gorm:"not null"`
		Sgr       string    `gorm:"size:64"`
		At        time.Time `gorm:"not null"`
		Data      []byte    `gorm:"not null"`
	}
	type LogBlob struct {
		CommandID string    `gorm:"primaryKey;size:36"`
		Key       string    `gorm:"size:255;not null"`
		Bytes     int64     `gorm:"not null"`
		Lines     int64     `gorm:"not null"`
		LastSeq   int64     `gorm:"not null"`
		SHA256    string    `gorm:"size:64;not null"`
		Index     []byte    `gorm:"not null"`
		CreatedAt time.Time `gorm:"not null"`
	}
	type LogStep struct {
		CommandID string    `gorm:"primaryKey;size:36"`
		Index     int       `gorm:"primaryKey;autoIncrement:false"`
		Parent    int       `gorm:"not null"`
		Kind      string    `gorm:"size:16;not null"`
		Name      string    `gorm:"size:255;not null"`
		FirstLine int64     `gorm:"not null"`
		LastLine  int64     `gorm:"not null"`
		StartedAt time.Time `gorm:"not null"`
		EndedAt   *time.Time
		Result    string `gorm:"size:16"`
		Changed   int    `gorm:"not null;default:0"`
		Unchanged int    `gorm:"not null;default:0"`
	}
	type User struct {
		ID                  string `gorm:"primaryKey;size:36"`
		Name                string `gorm:"size:64;not null;uniqueIndex"`
		IamUserArn          string `gorm:"size:255;not null;uniqueIndex"`
		Email               string `gorm:"size:255"`
		PasswordHash        string
		Admin               bool
		SSHUsername         string `gorm:"size:32"`
		SSHPublicKey        string
		AllowSelfManagement bool
		UnixUID             int
		Theme               string    `gorm:"size:16"`
		CreatedAt           time.Time `gorm:"not null"`
		UpdatedAt           time.Time `gorm:"not null"`
	}
	type Session struct {
		Hash      string    `gorm:"primaryKey;size:64"`
		UserID    string    `gorm:"size:36;not null;index"`
		CreatedAt time.Time `gorm:"not null"`
		SeenAt    time.Time `gorm:"not null"`
		ExpiresAt time.Time `gorm:"not null;index"`
		Addr      string    `gorm:"size:64"`
		UserAgent string    `gorm:"size:255"`
	}
	type AccessKey struct {
		ID        string `gorm:"primaryKey;size:32"`
		UserID    string `gorm:"size:36;not null;index"`
		Secret    string
		CreatedAt time.Time `gorm:"not null"`
		LastUsed  *time.Time
	}
	type EnrollToken struct {
		Hash       string    `gorm:"primaryKey;size:64"`
		StackID    string    `gorm:"size:36;not null;index"`
		LayerID    string    `gorm:"size:36"`
		InstanceID string    `gorm:"size:36;index"`
		CreatedBy  string    `gorm:"size:64"`
		CreatedAt  time.Time `gorm:"not null"`
		ExpiresAt  time.Time `gorm:"not null"`
		UsedAt     *time.Time
		UsedKey    []byte
	}
	type SetupToken struct {
		Hash      string    `gorm:"primaryKey;size:64"`
		CreatedAt time.Time `gorm:"not null"`
	}
	type Permission struct {
		StackID   string `gorm:"primaryKey;size:36"`
		UserID    string `gorm:"primaryKey;size:36;index"`
		Level     string `gorm:"size:16;not null"`
		AllowSSH  bool
		AllowSudo bool
		UpdatedAt time.Time `gorm:"not null"`
	}
	type AuditEntry struct {
		ID         int64     `gorm:"primaryKey;autoIncrement"`
		At         time.Time `gorm:"not null;index"`
		ActorKind  string    `gorm:"size:16;not null"`
		ActorID    string    `gorm:"size:36;index"`
		ActorName  string    `gorm:"size:64"`
		SourceAddr string    `gorm:"size:64"`
		Surface    string    `gorm:"size:16"`
		RequestID  string    `gorm:"size:64"`
		Action     string    `gorm:"size:64;not null"`
		TargetKind string    `gorm:"size:32"`
		TargetID   string    `gorm:"size:36;index"`
		TargetName string    `gorm:"size:255"`
		StackID    string    `gorm:"size:36;index"`
		Refused    bool
		Before     string
		After      string
		Cause      string
		PrevHash   string `gorm:"size:64;not null"`
		Hash       string `gorm:"size:64;not null;uniqueIndex"`
	}
	type StackEvent struct {
		ID           int64     `gorm:"primaryKey;autoIncrement;index:event_stack,priority:2"`
		StackID      string    `gorm:"size:36;not null;index:event_stack,priority:1"`
		At           time.Time `gorm:"not null"`
		Kind         string    `gorm:"size:32;not null"`
		Tone         string    `gorm:"size:16"`
		Text         string    `gorm:"not null"`
		Cause        string
		InstanceID   string `gorm:"size:36;index"`
		DeploymentID string `gorm:"size:36"`
		CommandID    string `gorm:"size:36"`
	}
	type Counter struct {
		Name  string `gorm:"primaryKey;size:64"`
		Value int64  `gorm:"not null"`
	}
	type Setting struct {
		Name  string `gorm:"primaryKey;size:64"`
		Value string `gorm:"not null"`
	}
	return db.Migrator().CreateTable(
		&Stack{},
		&Layer{},
		&Instance{},
		&InstanceLayer{},
		&ServiceError{},
		&App{},
		&Deployment{},
		&Command{},
		&Content{},
		&LogChunk{},
		&LogBlob{},
		&LogStep{},
		&User{},
		&Session{},
		&AccessKey{},
		&EnrollToken{},
		&SetupToken{},
		&Permission{},
		&AuditEntry{},
		&StackEvent{},
		&Counter{},
		&Setting{},
	)
}
